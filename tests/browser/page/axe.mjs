// axe finds nothing on any view and in nothing that opens over one, light and dark, on a desk and on a phone.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DESK, PHONE, agent, api, inBrowser, is, open, require, spawnFake, tell, until, url } from "./kit.mjs";
import { repositoryIn } from "./repository.mjs";

const { source } = require("axe-core");

await inBrowser(async (browser) => {
  const [asker, writer, ended] = [await spawnFake("asker", { role: "reviewer" }), await spawnFake("writer"), await spawnFake("ended")];
  await tell(asker, "do ask rm -rf build");
  await tell(writer, "| a | b |\n|---|---|\n| `c` | d |\n\n> quoted\n\n```\ncode\n```\n\n```rust\n// one\nfn main() -> Option<u8> { let x = \"two\"; Some(3) }\n```\n\n```diff\n-old\n+new\n```");
  await api("DELETE", `/managed-agents/${ended}`);
  await until("a question", async () => is((await agent(asker)).attention !== undefined, true));
  const pattern = `name: one-step
inputs:
  task: {description: What to say}
structure:
  roles:
    writer: {agentType: fake, managed: true, briefing: false}
workflow:
  steps:
    - {id: write, type: assign, role: writer, task: "do say \${input.task}"}
    - {id: check, type: approve, approver: user, subject: "\${write}"}
`;
  // A checkout with something changed in it.
  const repository = repositoryIn((await agent(asker)).workdir, (path) => writeFileSync(join(path, "old.txt"), "one\ntwo\nthree\n"));
  const repo = repository.path;
  const worker = await spawnFake("worker", { workspace: { repo } });
  for (const [name, text] of [["old.txt", "one\nzwei\nthree\n"], ["new.txt", "new\n"]])
    await fetch(`${url}/api/managed-agents/${worker}/files/${name}`, { method: "PUT", headers: { "content-type": "application/octet-stream" }, body: text });
  await api("PUT", "/presets/code-review", { description: "Reads what changed", spawn: { type: "fake", role: "reviewer" } });
  await fetch(`${url}/api/patterns/one-step`, { method: "PUT", headers: { "content-type": "application/yaml" }, body: pattern });
  const { executionId: run } = await api("POST", "/patterns/one-step/execute", { input: { task: "hello" } });
  await until("an approval to wait", async () => is((await api("GET", `/executions/${run}`)).questions.length, 1));
  const views = {
    overview: "/",
    inbox: "/inbox",
    "with a question": `/agents/${asker}`,
    conversation: `/agents/${writer}`,
    terminal: `/agents/${writer}?view=terminal`,
    activity: `/agents/${writer}?view=activity`,
    "its usage": `/agents/${writer}?view=usage`,
    details: `/agents/${writer}?view=details`,
    "has ended": `/agents/${ended}`,
    nowhere: "/agents/none",
    runs: "/runs",
    "a run": `/runs/${run}`,
    "all activity": "/activity",
    usage: "/usage",
    more: "/more",
    search: "/search?s=quoted",
    terminals: "/terminals",
    changes: `/agents/${worker}?view=changes`,
    recording: `/agents/${writer}?view=terminal&moment=0`,
    "a moment of a run": `/runs/${run}?at=4`,
  };
  const found = [];
  for (const [screen, kind] of [
    ["desk", DESK],
    ["phone", PHONE],
  ])
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser(kind, { colorScheme, reducedMotion: "reduce" });
      const page = await open(context);
      await page.locator(".agent-row").nth(1).waitFor();
      await page.evaluate(source);
      const look = async (view) => {
        const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
        for (const { id, nodes } of violations) found.push({ where: `${view}, ${screen}, ${colorScheme}`, id, nodes: nodes.slice(0, 3).map(({ html, any }) => [html.slice(0, 160), any[0]?.message]) });
      };
      for (const [view, address] of Object.entries(views)) {
        await page.goto(new URL(`#${address}`, page.url()).href);
        await page.waitForLoadState("networkidle").catch(() => undefined);
        await until("all to be loaded", async () => is(await page.locator("main .empty", { hasText: "Loading" }).count(), 0));
        if (view === "terminal") await page.locator(".xterm").waitFor();
        if (view.endsWith("usage")) await page.locator(".usage-parts canvas").nth(1).waitFor();
        if (view === "changes") {
          await page.getByRole("button", { name: /old\.txt/ }).click();
          await page.locator(".diff .is-added", { hasText: "zwei" }).waitFor();
        }
        if (view === "conversation" && screen === "desk") await page.locator(".hljs-keyword").first().waitFor();
        await look(view);
      }
      // What opens over the page, on a phone as on a desk.
      const over = async (what, isOpen) => {
        await isOpen.waitFor();
        await look(what);
        await page.keyboard.press("Escape");
        await isOpen.waitFor({ state: "detached" });
      };
      await page.goto(new URL(`#/agents/${writer}?view=terminal`, page.url()).href);
      await page.locator(".xterm").waitFor();
      await page.getByRole("button", { name: "Search in the terminal" }).click();
      await over("search in a terminal", page.getByRole("search"));
      await page.getByRole("button", { name: "Restart" }).click();
      await over("restart", page.getByRole("alertdialog"));
      await page.getByRole("button", { name: "Stop" }).click();
      await over("stop", page.getByRole("alertdialog"));
      await page.goto(new URL("#/", page.url()).href);
      await page.getByRole("button", { name: "Spawn" }).click();
      await page.getByRole("dialog").getByText("More", { exact: true }).click();
      await page.getByLabel("a git checkout of its own").check();
      await over("spawn", page.getByRole("dialog"));
      await page.getByRole("button", { name: "Several …" }).click();
      await over("several", page.getByRole("dialog"));
      await page.goto(new URL("#/more", page.url()).href);
      await page.locator(".row", { hasText: "code-review" }).getByRole("button", { name: "Delete" }).click();
      await over("presets", page.getByRole("alertdialog"));
      await page.goto(new URL("#/runs?start=one-step", page.url()).href);
      await over("a run's form", page.getByRole("dialog"));
      await page.getByRole("button", { name: "Edit" }).click();
      await page.getByText("The file can be run.").waitFor();
      await page.getByLabel("The file (YAML)").fill("name: x");
      await page.locator(".finding").first().waitFor();
      await over("a wrong pattern", page.getByRole("dialog"));
      await page.keyboard.press("Control+k");
      await over("palette", page.getByPlaceholder("Go to an agent"));
      await context.close();
    }
  repository.remove();
  assert.deepEqual(found, []);
});

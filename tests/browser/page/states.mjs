// What a view shows while it waits, when what it asks for fails, and when it has come: it is said, in words, and can be tried again.
import assert from "node:assert/strict";
import { DESK, agent, api, inBrowser, is, open, spawnFake, tell, until, url } from "./kit.mjs";
import { repositoryIn } from "./repository.mjs";

const PATTERN = `name: one-step
structure:
  roles:
    writer: {agentType: fake, managed: true, briefing: false}
workflow:
  steps:
    - {id: write, type: assign, role: writer, task: "do say written"}
`;

/** Presses the button until `there` is to be seen. The view may ask again by itself, and take the button away meanwhile. */
const tryAgain = (box, there, what) =>
  until(what, async () => {
    if (await there.first().isVisible()) return true;
    await box.first().getByRole("button", { name: "Try again" }).click({ timeout: 2000 }).catch(() => undefined);
    return "not yet";
  });

await inBrowser(async (browser) => {
  const id = await spawnFake("witness");
  await tell(id, "do say hello");
  const { workdir } = await agent(id);
  const repository = repositoryIn(workdir);
  const repo = repository.path;
  try {
    const worker = await spawnFake("worker", { workspace: { repo } });
    await fetch(`${url}/api/patterns/one-step`, { method: "PUT", headers: { "content-type": "application/yaml" }, body: PATTERN });
    const { executionId: run } = await api("POST", "/patterns/one-step/execute", {});
    await until("the run to end", async () => is((await api("GET", `/executions/${run}`)).status, "completed"));

    /** Of each view: its address, what it asks for, what stands there when that has come. */
    const views = [
      ["the list", "/more", /\/api\/managed-agents\?limit=500/, (page) => page.locator(".sidebar .agent-row", { hasText: "witness" }), ".sidebar"],
      ["the inbox", "/inbox", /\/api\/managed-agents\?limit=500/, (page) => page.getByText("Nobody waits for you.")],
      ["runs in the inbox", "/inbox", /\/api\/executions(\?|$)/, (page) => page.getByText("Nobody waits for you.")],
      ["an agent", `/agents/${id}`, /\/api\/managed-agents\?limit=500/, (page) => page.getByRole("heading", { name: "witness", level: 1 })],
      ["a conversation", `/agents/${id}`, /\/messages\?limit=200/, (page) => page.locator(".message.agent", { hasText: "hello" })],
      ["changes", `/agents/${worker}?view=changes`, /\/changes$/, (page) => page.getByText("Nothing differs from where it began.")],
      ["a recording", `/agents/${id}?view=terminal&moment=0`, /\/logs\?format=asciicast/, (page) => page.getByRole("region", { name: "Recording" })],
      ["terminals", "/terminals", /\/api\/managed-agents\?limit=500/, (page) => page.locator(".terminal-cell", { hasText: "witness" })],
      ["patterns", "/runs", /\/api\/patterns$/, (page) => page.locator(".card", { hasText: "one-step" })],
      ["runs", "/runs", /\/api\/executions(\?|$)/, (page) => page.locator(".run-row", { hasText: "one-step" })],
      ["a run", `/runs/${run}`, new RegExp(`/api/executions/${run}$`), (page) => page.locator(".steps", { hasText: "write" })],
      ["a chart", `/runs/${run}`, new RegExp(`/api/executions/${run}/chart`), (page) => page.locator(".role", { hasText: "writer" })],
      ["a search", "/search?s=hello", /\/api\/search/, (page) => page.locator(".hit", { hasText: "hello" }).first()],
      ["presets", "/more", /\/api\/presets$/, (page) => page.getByText("No presets.")],
      ["devices", "/more", /\/api\/push$/, (page) => page.getByText("Told when somebody waits")],
    ];
    await until("the index to follow", async () => ((await api("GET", "/search?q=hello")).hits.length > 0 ? true : "not yet"));
    const context = await browser(DESK);
    const look = async ([view, address, asked, content, place = "main"]) => {
      const page = await context.newPage();
      const held = [];
      let answer = (route) => void held.push(route);
      await page.route(asked, (route) => answer(route));
      await page.goto(`${url}/#${address}`);
      await page.locator(place).getByText(/^Loading .* …$/).first().waitFor().catch(() => assert.fail(`${view} does not say that it is loading`));
      assert.equal(await content(page).count(), 0, `${view}: nothing is claimed that is not known`);

      // It fails: as the server says it, or because nobody answers. Both are words, and neither is for good.
      const problem = { code: "CONFLICT", title: "Conflict", detail: "somebody has it open" };
      answer = (route) => route.fulfill({ status: 409, contentType: "application/problem+json", body: JSON.stringify(problem) }).catch(() => undefined);
      for (const route of held) await answer(route);
      const failed = page.locator(place).locator(".failed-box", { hasText: "somebody has it open (CONFLICT)" });
      await failed.first().waitFor().catch(() => assert.fail(`${view} does not say why it failed`));
      answer = (route) => route.abort();
      const silent = page.locator(place).locator(".failed-box", { hasText: "The server does not answer." });
      await tryAgain(failed, silent, `${view} to say that nobody answers`);
      assert.equal(await page.getByText(/TypeError|Failed to fetch/).count(), 0, view);
      assert.equal(await content(page).count(), 0, `${view}: nothing is claimed that is not known`);

      answer = (route) => route.continue();
      await tryAgain(silent, content(page), `${view} to come back`);
      await until(`${view} to have nothing that failed`, async () => is(await failed.count(), 0));
      await page.close();
    };
    // Most of the time they wait before they ask again.
    await Promise.all(Array.from({ length: 3 }, async () => {
      for (let view = views.shift(); view; view = views.shift()) await look(view);
    }));

    // What is known stays when it cannot be asked for again, and is said to be old.
    const page = await open(context, `/agents/${worker}?view=changes`);
    await page.getByText("Nothing differs from where it began.").waitFor();
    await page.route(/\/changes$/, (route) => route.abort());
    await page.getByText("What is shown is from before.").waitFor();
    await page.getByText("Nothing differs from where it began.").waitFor();
    await page.getByRole("tab", { name: "Details" }).click();
    await page.locator(".facts", { hasText: "Memory" }).waitFor();
    await page.route(/\/metrics$/, (route) => route.abort());
    await page.locator(".facts", { hasText: "not now: The server does not answer." }).waitFor();
    await page.close();

    // Forms say it where they stand, and keep what was written.
    const form = await open(context, "/");
    await form.getByRole("button", { name: "Spawn" }).click();
    const dialog = form.getByRole("dialog", { name: "Spawn an agent" });
    await dialog.getByLabel("Name", { exact: true }).fill("kept");
    await form.route(/\/api\/managed-agents$/, (route) => route.abort());
    await dialog.getByRole("button", { name: "Spawn", exact: true }).click();
    await dialog.getByRole("alert").filter({ hasText: "The server does not answer." }).waitFor();
    assert.equal(await dialog.getByLabel("Name", { exact: true }).inputValue(), "kept");
    await api("DELETE", `/managed-agents/${worker}`);
  } finally {
    repository.remove();
  }
});

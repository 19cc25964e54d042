// A token that may only look: nothing is offered that would be refused, and terminals are watched.
import assert from "node:assert/strict";
import { DESK, PHONE, api, giveFiles, inBrowser, is, open, press, until, url } from "./kit.mjs";
import { repositoryIn } from "./repository.mjs";

const WORKS = "let-me-work-with-this-server";
/** Buttons and fields that change nothing on the server. */
const LOOKING = [
  ".skip, .palette-button, .list-head, .link, .copy, .file, .run-event, .notice button, .toast button",
  ".filters *, .activity-head *, .search-form *, .terminal-search *, .themes *, .tab-bar button, .usage-table button, .button-group button, .replay *, .player *",
  ".xterm-helper-textarea, [role=option], .terminals-page > .page-head select, .cell-head button, .column-heads button, .column-heads input, .usage-ranges button, .react-flow button",
  ".page > .check input, .page > p > button:last-child",
  '[aria-label="Search in the terminal"], [title="What it showed, from its beginning"], [title="Everything that it shows and keeps, as text"]',
].join();
const LOOKS = "let-me-look-at-this-server";

await inBrowser(async (browser) => {
  const { id } = await api("POST", "/managed-agents", { name: "looked-at", type: "fake" }, WORKS);
  const repository = repositoryIn((await api("GET", `/managed-agents/${id}`, undefined, LOOKS)).workdir);
  const repo = repository.path;
  const spawned = [id];
  try {
    await until("it to be ready", async () => is((await api("GET", `/managed-agents/${id}`, undefined, LOOKS)).status, "ready"));
    await api("POST", `/managed-agents/${id}/send`, { message: "do ask about it" }, WORKS);
    await until("a question", async () => is((await api("GET", `/managed-agents/${id}`, undefined, LOOKS)).attention !== undefined, true));
    assert.deepEqual(await api("GET", "/whoami", undefined, LOOKS), { scope: "view", access: "token", proxiesPorts: true });
    assert.equal((await fetch(`${url}/api/presets`, { headers: { authorization: `Bearer ${LOOKS}` } })).status, 403);
    assert.equal((await fetch(`${url}/api/push`, { headers: { authorization: `Bearer ${LOOKS}` } })).status, 403);

    // A checkout with something to commit, a preset, a run that waits for an approval, an agent that has ended.
    const { id: worker } = await api("POST", "/managed-agents", { name: "worker", type: "fake", workspace: { repo } }, WORKS);
    spawned.push(worker);
    await until("it to be ready", async () => is((await api("GET", `/managed-agents/${worker}`, undefined, LOOKS)).status, "ready"));
    const put = (path, type, body) => fetch(`${url}/api${path}`, { method: "PUT", headers: { authorization: `Bearer ${WORKS}`, "content-type": type }, body });
    await put(`/managed-agents/${worker}/files/new.txt`, "application/octet-stream", "new");
    await put("/patterns/asks", "application/yaml", "name: asks\nstructure:\n  roles:\n    writer: {agentType: fake, managed: true, briefing: false}\nworkflow:\n  steps:\n    - {id: check, type: approve, approver: user, subject: go on}\n");
    const { executionId: run } = await api("POST", "/patterns/asks/execute", {}, WORKS);
    await until("an approval to wait", async () => is((await api("GET", `/executions/${run}`, undefined, LOOKS)).questions.length, 1));
    const { id: ended } = await api("POST", "/managed-agents", { name: "ended", type: "fake" }, WORKS);
    await api("DELETE", `/managed-agents/${ended}`, undefined, WORKS);

    const refused = [];
    const signedIn = async (kind, token, address) => {
      const page = await open(await browser(kind), address);
      page.on("response", (response) => response.status() === 403 && refused.push(response.url()));
      await page.getByLabel("Token", { exact: true }).fill(token);
      await page.getByRole("button", { name: "Continue" }).click();
      await page.locator(".connection.live").waitFor();
      return page;
    };
    // A deep link survives the sign-in.
    const page = await signedIn(DESK, LOOKS, `/agents/${id}`);
    await page.getByRole("heading", { name: "looked-at", level: 1 }).waitFor();
    await page.getByText("Your token may look, and not answer.").first().waitFor();
    await page.locator(".xterm").waitFor();
    const views = [
      `/agents/${id}`, "/", "/inbox", "/runs", "/runs?start=asks", "/runs?add=true", `/runs/${run}`, `/runs/${run}?at=1`, "/more", "/terminals", "/search?s=go", "/activity", "/usage",
      ...["terminal", "conversation", "activity", "usage", "details"].map((view) => `/agents/${id}?view=${view}`),
      `/agents/${worker}?view=changes`, `/agents/${id}?view=terminal&moment=0`, `/agents/${ended}`,
    ];
    for (const [screen, looker] of [["desk", page], ["phone", await signedIn(PHONE, LOOKS, "/")]])
      for (const address of views) {
        await looker.goto(new URL(`#${address}`, looker.url()).href);
        await looker.waitForLoadState("networkidle").catch(() => undefined);
        await until("all to be loaded", async () => is(await looker.locator("main .empty", { hasText: "Loading" }).count(), 0));
        // All that can be pressed only looks, or is the page's own.
        const offered = await looker.evaluate(
          (looks) => [...document.querySelectorAll("button, input, textarea, select")].filter((element) => !element.matches(looks)).map(({ textContent, ariaLabel, placeholder, outerHTML }) => textContent.trim() || ariaLabel || placeholder || outerHTML.slice(0, 120)),
          LOOKING,
        );
        assert.deepEqual(offered, [], `${screen}: ${address}`);
        assert.equal(await looker.getByRole("dialog").count(), 0, `${screen}: ${address}`);
        assert.equal(await looker.locator(".terminal, .xterm").count() > 0 && (await looker.getByLabel("Watch only").count()) > 0, false, `${screen}: ${address}`);
      }
    // What is typed into a terminal, and dropped on it, goes nowhere.
    await page.goto(new URL(`#/agents/${worker}`, page.url()).href);
    await page.locator(".terminal-note").waitFor({ state: "detached" });
    await page.locator(".xterm-helper-textarea").focus();
    await page.keyboard.type("not typed");
    await giveFiles(page.locator(".terminal-screen"), "drop", [{ name: "x.txt", type: "text/plain", bytes: [120] }]);
    await page.getByText("This terminal is only watched: it takes no files.").first().waitFor();
    const { lines } = await api("GET", `/managed-agents/${worker}/screen`, undefined, LOOKS);
    assert.ok(lines.every((line) => !line.includes("not typed")), lines.join("\n"));
    await page.keyboard.press("Control+F6");
    await page.keyboard.press("Control+k");
    await page.getByPlaceholder("Go to an agent").waitFor();
    const commands = (await page.getByRole("option").allInnerTexts()).filter((command) => /^(spawn|stop|restart|suspend|interrupt|add|run pattern|cancel|fit|watch|put files|tell)/i.test(command));
    assert.deepEqual(commands, []);
    await page.keyboard.press("Escape");
    assert.deepEqual(refused, [], "nothing was asked for that is refused");

    // Who may, is offered all of it.
    const operator = await signedIn(PHONE, WORKS, "/inbox");
    await press(operator.locator(".attention").getByRole("button", { name: "Yes", exact: false }).first(), "tap");
    await press(operator.getByRole("region", { name: "Run of asks: approval" }).getByRole("button", { name: "Approve" }), "tap");
    await operator.getByText("Nobody waits for you.").waitFor();
  } finally {
    for (const id of spawned) await api("DELETE", `/managed-agents/${id}`, undefined, WORKS);
    repository.remove();
  }
});

// The inbox beyond questions: who is out of quota, who seems to be stalled, a run that has sent most of its messages, and a runtime whose
// workspaces run out of room. Each says since when, and what can be done.
import assert from "node:assert/strict";
import { DESK, agent, api, inBrowser, is, open, press, spawnFake, tell, until, url } from "./kit.mjs";
import { repositoryIn } from "./repository.mjs";

await inBrowser(async (browser) => {
  // Who is out of quota takes messages again at once, and is in the inbox all the same: after a reload, too.
  const poor = await spawnFake("poor");
  await tell(poor, "do fail overloaded");
  await until("the error to be told", async () => is((await agent(poor)).error?.code, "rate_limit"));
  await until("it to take messages again", async () => is((await agent(poor)).status, "ready"));
  const since = (await agent(poor)).error.since;
  assert.ok(Math.abs(Date.now() - Date.parse(since)) < 60_000, since);
  const page = await open(await browser(DESK), "/inbox");
  const cards = page.locator("main .attention");
  const quota = cards.filter({ hasText: "poor" });
  await quota.getByText("Out of quota").waitFor();
  assert.match(await quota.innerText(), /overloaded/);
  assert.equal(await quota.locator("time").first().getAttribute("datetime"), since);
  await page.locator(".agent-row", { hasText: "poor" }).getByText("no quota").waitFor();
  await until("the title to count", async () => ((await page.title()).startsWith("(1) ") ? true : page.title()));
  assert.equal(await quota.getByRole("link", { name: "Open the terminal" }).count(), 1);
  assert.equal(await quota.getByRole("button", { name: "Stop" }).count(), 1);
  await quota.getByLabel("Message").fill("do say better");
  await press(quota.getByRole("button", { name: "Send" }));
  await quota.waitFor({ state: "detached" });
  await until("the turn to be over", async () => is((await agent(poor)).status, "ready"));
  assert.equal((await agent(poor)).error, undefined, "the next turn forgets it");

  // Who works and shows nothing.
  const quiet = await spawnFake("quiet", { stallSeconds: 1 });
  await tell(quiet, "do gate && say done");
  await until("it to seem stalled", async () => is((await agent(quiet)).attention?.kind, "stalled"));
  const stalled = cards.filter({ hasText: "quiet" });
  await stalled.getByText("Seems to be stalled").waitFor();
  assert.ok(await stalled.locator("time").count());
  await stalled.getByRole("button", { name: "Stop" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Stop" }).click();
  await stalled.waitFor({ state: "detached" });
  await until("it to end", async () => is((await agent(quiet)).status, "stopped"));

  // A run that may send two messages, and wants to send three.
  const pattern = `name: chatty
limits: {messages: 2}
structure:
  roles:
    worker: {agentType: fake, managed: true, briefing: false}
workflow:
  steps:
    - {id: one, type: assign, role: worker, task: "do gate && say one"}
    - {id: two, type: assign, role: worker, task: "do say two"}
    - {id: three, type: assign, role: worker, task: "do say three"}
  output: \${three}
`;
  const stored = await fetch(`${url}/api/patterns/chatty`, { method: "PUT", headers: { "content-type": "application/yaml" }, body: pattern });
  assert.ok(stored.ok, await stored.text());
  const { executionId } = await api("POST", "/patterns/chatty/execute", {});
  const run = () => api("GET", `/executions/${executionId}`);
  await until("the first message to be sent", async () => is((await run()).budget?.sent, 1));
  const budget = cards.filter({ hasText: "Run of chatty" });
  // While nothing runs, runs are asked for every 20 seconds.
  await budget.getByText("Most of its messages are sent").waitFor({ timeout: 40_000 });
  assert.match(await budget.innerText(), /1 of the 2 messages/);
  assert.ok(await budget.locator("time").count());
  for (const messages of [1, 10_001, "2"]) assert.equal((await fetch(`${url}/api/executions/${executionId}/budget`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ messages }) })).status, 400);
  // Not beyond what any run may send: the form says so, and asks nothing.
  const messages = budget.getByLabel("Messages that it may send in all");
  assert.equal(await messages.inputValue(), "4");
  for (const [given, fits] of [["2", false], ["10001", false], ["3.5", false], ["10000", true], ["5", true]]) {
    await messages.fill(given);
    assert.equal(await messages.evaluate((field) => field.checkValidity()), fits, given);
  }
  await atItsMaximum(page);
  await messages.fill("10001");
  await press(budget.getByRole("button", { name: "Raise the budget" }));
  assert.deepEqual((({ sent, most }) => ({ sent, most }))((await run()).budget), { sent: 1, most: 2 });
  await messages.fill("5");
  await press(budget.getByRole("button", { name: "Raise the budget" }));
  await budget.waitFor({ state: "detached" });
  assert.deepEqual((await run()).budget, { sent: 1, most: 5 });
  const [{ agentId }] = (await run()).agents;
  await until("it to work", async () => is((await agent(agentId)).status, "busy"));
  await api("POST", `/managed-agents/${agentId}/input`, { keys: ["ctrl-g"] });
  await until("the run to end", async () => is((await run()).status, "completed"));
  assert.equal((await run()).metrics.messages, 3);

  // Room for workspaces: the limit of this server is small.
  const { workdir } = await agent(poor);
  const repository = repositoryIn(workdir);
  const repo = repository.path;
  try {
    const worker = await spawnFake("worker", { workspace: { repo } });
    const put = await fetch(`${url}/api/managed-agents/${worker}/files/large`, { method: "PUT", headers: { "content-type": "application/octet-stream" }, body: new Uint8Array(7.5 * 2 ** 20) });
    assert.equal(put.status, 201);
    // What was changed is counted at the end of a turn.
    await tell(worker, "do say written");
    const room = cards.filter({ hasText: "Room for workspaces runs out" });
    await until("the runtime to warn", async () => ((await api("GET", "/runtimes")).runtimes[0].workspaces?.warning !== undefined ? true : (await api("GET", "/runtimes")).runtimes[0].workspaces));
    await room.waitFor();
    assert.match(await room.innerText(), /workspaces take .* of 8/);
    assert.ok(await room.locator("time").count(), "it says since when");
    // Who works in one keeps it.
    await room.getByRole("button", { name: "Clean up" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Clean up" }).click();
    await room.getByText("0 removed, 1 kept").waitFor();
    await fetch(`${url}/api/managed-agents/${worker}/files/large`, { method: "DELETE" });
    await api("DELETE", `/managed-agents/${worker}`);
    await page.getByText("Nobody waits for you.").waitFor({ timeout: 40_000 });
  } finally {
    repository.remove();
  }
});

/** A run that may send as many messages as any may: it cannot be raised, which is said, and what else can be done is there. No run here sends that many. */
async function atItsMaximum(page) {
  const other = await open(page.context(), "/more");
  await other.route(/\/api\/executions(\?|$)/, async (route) => {
    const response = await route.fetch();
    const json = await response.json();
    for (const run of json.executions) if (run.budget) Object.assign(run.budget, { sent: 9_000, most: 10_000 });
    await route.fulfill({ response, json });
  });
  await other.goto(new URL("#/inbox", other.url()).href);
  await other.reload();
  const budget = other.locator("main .attention", { hasText: "Run of chatty" });
  await budget.getByText("9000 of the 10000 messages").waitFor();
  await budget.getByText("No run may send more than 10,000 messages: this cannot be raised.").waitFor();
  assert.equal(await budget.getByRole("button", { name: "Raise the budget" }).count(), 0);
  assert.equal(await budget.getByLabel("Messages that it may send in all").count(), 0);
  assert.equal(await budget.getByRole("link", { name: "Open the run" }).count(), 1);
  assert.equal(await budget.getByRole("button", { name: "Cancel the run" }).count(), 1);
  await other.close();
}

// Presets: kept from the form, chosen in it, by the API, deleted.
import assert from "node:assert/strict";
import { DESK, agent, api, inBrowser, is, open, until, url } from "./kit.mjs";
import { repositoryIn } from "./repository.mjs";

await inBrowser(async (browser) => {
  const page = await open(await browser(DESK));
  await page.getByRole("button", { name: "Spawn" }).click();
  const form = page.getByRole("dialog", { name: "Spawn an agent" });
  await form.getByLabel("Name", { exact: true }).fill("unused");
  await form.getByLabel("Type").selectOption("fake");
  await form.getByText("More", { exact: true }).click();
  await form.getByLabel("Role").fill("reviewer");
  await form.getByLabel("Labels").fill("team=core");
  const name = form.getByLabel("Keep as");
  await name.fill("Not A Name");
  await form.getByRole("button", { name: "Keep as preset" }).click();
  await form.getByText(/lower-case letters/).waitFor();
  await name.fill("code-review");
  await form.getByRole("button", { name: "Keep as preset" }).click();
  await page.getByText("Kept as the preset code-review.").first().waitFor();
  // What was said of it is above the form, once it is painted, and Escape is for the form.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await page.keyboard.press("Escape");
  await form.waitFor({ state: "hidden" });

  // Chosen in the form, it fills the form; what is changed there counts.
  await page.getByRole("button", { name: "Spawn" }).click();
  await form.getByLabel("Preset").selectOption("code-review");
  await form.getByText("More", { exact: true }).click();
  await until("the form to have it", async () => is(await form.getByLabel("Role").inputValue(), "reviewer"));
  await form.getByLabel("Labels").fill("team=web");
  await form.getByLabel("Name", { exact: true }).fill("from-preset");
  await form.getByRole("button", { name: "Spawn", exact: true }).click();
  await page.getByRole("heading", { name: "from-preset" }).waitFor();
  const id = /agents\/([^?]+)/.exec(page.url())[1];
  const spawned = await agent(id);
  assert.deepEqual([spawned.role, spawned.type, spawned.labels], ["reviewer", "fake", { team: "web" }]);

  // The same by the API, with the name alone.
  const other = await api("POST", "/managed-agents", { name: "by-api", preset: "code-review" });
  assert.deepEqual([other.role, other.type, other.labels], ["reviewer", "fake", { team: "core" }]);
  const unknown = await fetch(`${url}/api/managed-agents`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ name: "x", preset: "none" }) });
  assert.equal((await unknown.json()).code, "VALIDATION_ERROR");

  // A role of a pattern is what its preset says.
  const pattern = `name: by-preset
structure:
  roles:
    reviewer: {preset: code-review, managed: true, briefing: false}
workflow:
  steps:
    - {id: say, type: assign, role: reviewer, task: "do say hello"}
  output: \${say}
`;
  await fetch(`${url}/api/patterns/by-preset`, { method: "PUT", headers: { "content-type": "application/yaml" }, body: pattern });
  const { executionId } = await api("POST", "/patterns/by-preset/execute", {});
  await until("the run to end", async () => is((await api("GET", `/executions/${executionId}`)).status, "completed"));
  assert.match((await api("GET", `/executions/${executionId}`)).output, /hello/);

  // A checkout of a repository in place of a directory, and what was changed in it.
  const repository = repositoryIn(spawned.workdir);
  const repo = repository.path;
  try {
    await page.getByRole("button", { name: "Spawn" }).click();
    await form.getByLabel("Name", { exact: true }).fill("in-checkout");
    await form.getByLabel("Type").selectOption("fake");
    await form.getByLabel("a git checkout of its own").check();
    await form.getByLabel("Repository").fill(repo);
    await form.getByRole("button", { name: "Spawn", exact: true }).click();
    await page.getByRole("heading", { name: "in-checkout" }).waitFor();
    const worker = /agents\/([^?]+)/.exec(page.url())[1];
    await until("it to be ready", async () => is((await agent(worker)).status, "ready"));
    await fetch(`${url}/api/managed-agents/${worker}/files/new.txt`, { method: "PUT", headers: { "content-type": "application/octet-stream" }, body: "one\ntwo\n" });
    await page.goto(new URL(`#/agents/${worker}?view=changes`, page.url()).href);
    await page.getByRole("button", { name: /new\.txt/ }).click();
    await page.locator(".diff .is-added", { hasText: "two" }).waitFor();
    // It changes while it is looked at, by as many lines as before: what is committed is what is shown.
    await fetch(`${url}/api/managed-agents/${worker}/files/new.txt`, { method: "PUT", headers: { "content-type": "application/octet-stream" }, body: "one\nother\n" });
    await page.locator(".diff .is-added", { hasText: "other" }).waitFor();
    assert.equal(await page.locator(".diff .is-added", { hasText: "two" }).count(), 0);
    await page.getByLabel("Commit message").fill("Add a file");
    await page.getByRole("button", { name: "Commit" }).click();
    await page.getByText(/Committed as/).first().waitFor();
    await page.getByText(/1 ahead/).waitFor();
    await api("DELETE", `/managed-agents/${worker}`);
  } finally {
    repository.remove();
  }

  await page.goto(new URL("#/more", page.url()).href);
  await page.locator(".row", { hasText: "code-review" }).getByRole("button", { name: "Delete" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("No presets.").waitFor();
});

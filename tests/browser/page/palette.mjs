// Commands do what stood in the row that was chosen, or nothing: rows stay where they are while agents begin and end their turns.
import assert from "node:assert/strict";
import { DESK, agent, api, inBrowser, is, open, spawnFake, tell, until } from "./kit.mjs";

await inBrowser(async (browser) => {
  const [first, second, third] = [await spawnFake("first"), await spawnFake("second"), await spawnFake("third")];
  const works = async (id) => {
    await tell(id, "do gate && say done");
    await until("it to work", async () => is((await agent(id)).status, "busy"));
  };
  const finish = async (id) => {
    await api("POST", `/managed-agents/${id}/input`, { keys: ["ctrl-g"] });
    await until("it to be done", async () => is((await agent(id)).status, "ready"));
  };
  for (const id of [first, second]) await works(id);
  const page = await open(await browser(DESK), "/inbox");
  const interrupted = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/interrupt")) interrupted.push(request.url().split("/").at(-2));
  });
  const row = (name) => page.getByRole("option", { name, exact: true });
  const commands = async (text) => {
    await page.keyboard.press("Control+k");
    await page.getByPlaceholder("Go to an agent").fill(text);
  };
  const tops = async () => (await page.getByRole("option").evaluateAll((rows) => rows.map((row) => row.getBoundingClientRect().top))).join();

  // The turn of the one that is chosen ends, and another begins one.
  await page.locator(".agent-row", { hasText: "second" }).waitFor();
  await commands("interrupt");
  await row("Interrupt first").hover();
  await page.locator("[cmdk-item][data-selected=true]", { hasText: "Interrupt first" }).waitFor();
  const before = await tops();
  await finish(first);
  await works(third);
  await page.locator("[cmdk-item][data-disabled=true]", { hasText: "Interrupt first" }).waitFor();
  await page.locator(".agent-row", { hasText: "third" }).locator(".dot.busy").waitFor();
  assert.equal(await tops(), before, "no row moved");
  assert.equal(await row("Interrupt third").count(), 0);
  await page.keyboard.press("Enter");
  await row("Interrupt first").click({ force: true });
  assert.equal(await row("Interrupt second").count(), 1, "it did nothing");
  await page.keyboard.press("Escape");

  // The same for what has a button where one is.
  await page.goto(new URL(`#/agents/${third}`, page.url()).href);
  await page.getByRole("heading", { name: "third" }).waitFor();
  await page.getByRole("button", { name: "Interrupt", exact: true }).and(page.locator(":enabled")).waitFor();
  await page.locator("h1").first().click();
  await commands("interrupt it");
  await page.locator("[cmdk-item][data-selected=true]", { hasText: "Interrupt it" }).waitFor();
  await finish(third);
  await page.locator("[cmdk-item][data-disabled=true]", { hasText: "Interrupt it" }).waitFor();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  assert.deepEqual(interrupted, []);
  assert.equal((await agent(second)).status, "busy");

  // Opened anew, it is as it is now.
  await commands("interrupt");
  assert.equal(await row("Interrupt first").count(), 0);
  await row("Interrupt second").click();
  await until("it to be interrupted", async () => is((await agent(second)).status, "ready"));
  assert.deepEqual(interrupted, [second]);
});

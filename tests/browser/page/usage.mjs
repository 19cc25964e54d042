// What agents use, as the server measures it: charts, figures and rows as far as it is known, "not known" or a dash where it is not; over a
// restart of the server, and in one question for all. The server measures every second here.
import assert from "node:assert/strict";
import { DESK, PHONE, agent, api, demand, inBrowser, is, open, spawnFake, tell, until, url } from "./kit.mjs";

await inBrowser(async (browser) => {
  const [one, two] = [await spawnFake("alpha"), await spawnFake("beta")];
  const measured = async (id) => (await api("GET", "/usage/agents")).agents.find(({ agentId }) => agentId === id);
  const points = async (query = "") => (await api("GET", `/usage${query}`)).points;
  for (const id of [one, two]) await until("the CPU to be measured", async () => ((await measured(id))?.cpuPercent !== undefined ? true : measured(id)));
  assert.deepEqual([(await measured(one)).tokens, (await measured(one)).costUsd], [undefined, undefined], "the fake agents tell neither");
  for (const bad of ["?span=days", "?since=yesterday", "?more=1"]) assert.equal((await fetch(`${url}/api/usage${bad}`)).status, 400, bad);
  assert.equal((await fetch(`${url}/api/usage?agentId=nobody`)).status, 404);

  const page = await open(await browser(DESK));
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  const scripts = [];
  page.on("response", (response) => scripts.push(response.url()));

  // Rows: what is known, a dash for what is not, and no question for a single agent.
  const cell = (name, column) => page.locator(".agent-row", { hasText: name }).locator(`[data-column=${column}]`);
  await until("memory in the row", async () => /^\d+M$/.test(await cell("alpha", "memory").innerText()));
  assert.match(await cell("alpha", "cpu").innerText(), /^\d+(\.\d)?%$/);
  const lefts = (selector) => page.locator(selector).evaluateAll((elements) => elements.slice(0, 5).map((element) => Math.round(element.getBoundingClientRect().left)));
  assert.deepEqual(await lefts(".column-heads .agent-figures > *"), await lefts(".agent-row .agent-figures > *"), "heads stand above their figures");
  for (const column of ["tokens", "cost", "waits"]) assert.equal(await cell("alpha", column).innerText(), "–", column);
  assert.equal(await cell("alpha", "tokens").getAttribute("title"), "Tokens read and written so far: not known");
  assert.deepEqual(asked.filter((path) => path.endsWith("/metrics")), []);
  await tell(two, "do ask about it");
  await page.locator(".agent-row", { hasText: "beta" }).locator("[data-column=waits] time").waitFor();
  // Sorted by a figure and by who waits, and columns chosen, as the address says.
  await page.locator(".column-heads").getByRole("button", { name: "Waits" }).click();
  await until("who waits to be first", async () => ((await page.locator(".agent-row .agent-name").first().innerText()) === "beta" ? true : page.url()));
  assert.match(page.url(), /sort=waiting/);
  await page.locator(".column-heads").getByRole("button", { name: "Mem" }).click();
  await until("to be sorted by memory", () => (/sort=memory/.test(page.url()) ? true : page.url()));
  await page.getByLabel("Columns", { exact: true }).first().click();
  await page.getByLabel("Cost so far").uncheck();
  await cell("alpha", "cost").waitFor({ state: "detached" });
  assert.match(decodeURIComponent(page.url()), /cols=cpu,memory,tokens,waits/);
  await page.reload();
  await cell("alpha", "memory").waitFor();
  assert.equal(await cell("alpha", "cost").count(), 0, "the address keeps them");

  await page.getByRole("link", { name: "Usage" }).click();
  await page.getByRole("heading", { name: "Usage", level: 1 }).waitFor();
  // What draws the charts came when there was one to draw.
  const part = (title) => page.locator(".usage-parts li", { has: page.getByRole("heading", { name: title, exact: true }) });
  await part("Memory").locator("canvas").waitFor();
  assert.match(await part("Memory").locator(".usage-now").innerText(), /^\d+ MiB$/);
  await part("CPU").locator("canvas").waitFor();
  assert.match(await part("CPU").locator(".usage-now").innerText(), /^\d+(\.\d)? %$/);
  assert.ok(scripts.some((address) => /\/chart-[^/]*\.js$/.test(address)), "a chunk of its own");
  for (const title of ["Tokens", "Cost"]) {
    assert.equal(await part(title).locator(".usage-now").innerText(), "not known");
    assert.equal(await part(title).locator("canvas").count(), 0);
  }
  const row = (name) => page.getByRole("region", { name: "By agent" }).getByRole("row", { name: new RegExp(`^${name}`) });
  assert.match(await row("alpha").innerText(), /MiB/);
  assert.equal(await row("beta").getByRole("cell", { name: "not known" }).count(), 3);
  await page.getByRole("region", { name: "By agent" }).getByRole("button", { name: "Memory" }).click();
  await page.getByRole("columnheader", { name: /Memory/ }).and(page.locator("[aria-sort=descending]")).waitFor();
  // The page says what the server measured: the sum is of the two.
  await until("the sum", async () => {
    const said = Number.parseInt(await part("Memory").locator(".usage-now").innerText(), 10);
    const sum = ((await measured(one)).memoryBytes + (await measured(two)).memoryBytes) / 2 ** 20;
    return Math.abs(said - sum) < 1 + sum / 3 ? true : { said, sum };
  });
  await page.getByRole("button", { name: "30 days" }).click();
  await until("the hours to be asked for", () => (/range=month/.test(page.url()) ? true : page.url()));
  await part("Memory").locator("canvas").waitFor();

  // The server goes and comes back: what was measured before is still there.
  const [before] = await points(`?agentId=${one}`);
  await demand("kill");
  await page.locator(".connection.lost").waitFor();
  await demand("start");
  await page.locator(".connection.live").waitFor();
  const [after] = await points(`?agentId=${one}`);
  assert.equal(after.at, before.at, "the first minute is the one from before");
  assert.equal((await points("?span=hours")).length > 0, true);
  await page.getByRole("button", { name: "last hour" }).click();
  await part("Memory").locator("canvas").waitFor();

  // One agent has its own, under its own address; ended, what it had used too.
  await row("alpha").getByRole("link", { name: "alpha" }).click();
  await page.getByRole("heading", { name: "alpha", level: 1 }).waitFor();
  assert.match(page.url(), /view=usage/);
  await part("Memory").locator("canvas").waitFor();
  await page.getByText("Measured by the server every").waitFor();
  await api("DELETE", `/managed-agents/${one}`);
  await page.getByText("It has ended.").waitFor();
  await page.locator(".facts", { hasText: "not known" }).waitFor();
  await part("Memory").locator("canvas").waitFor();

  const phone = await open(await browser(PHONE), "/usage");
  await phone.locator(".usage-parts canvas").first().waitFor();
  await until("nothing wider than the screen", async () => is(await phone.evaluate(() => document.documentElement.scrollWidth), 390));
  await api("DELETE", `/managed-agents/${two}`);
  await until("it to have ended", async () => is((await agent(two)).status, "stopped"));
  await phone.getByText("No agent lives that was measured.").waitFor();
  await phone.locator(".usage-parts canvas").first().waitFor();
});

// What agents use: charts and figures as far as it is known, and "not known" where it is not.
import assert from "node:assert/strict";
import { DESK, PHONE, api, inBrowser, is, open, spawnFake, until } from "./kit.mjs";

await inBrowser(async (browser) => {
  const [one, two] = [await spawnFake("alpha"), await spawnFake("beta")];
  const page = await open(await browser(DESK));
  const scripts = [];
  page.on("response", (response) => scripts.push(response.url()));
  await page.getByRole("link", { name: "Usage" }).click();
  await page.getByRole("heading", { name: "Usage", level: 1 }).waitFor();

  // Memory is known at once; CPU after the second measurement. What draws the charts came when there was one to draw.
  const part = (title) => page.locator(".usage-parts li", { has: page.getByRole("heading", { name: title, exact: true }) });
  await part("Memory").locator("canvas").waitFor();
  assert.match(await part("Memory").locator(".usage-now").innerText(), /^\d+ MiB$/);
  await part("CPU").locator("canvas").waitFor();
  assert.match(await part("CPU").locator(".usage-now").innerText(), /^\d+(\.\d)? %$/);
  assert.ok(scripts.some((address) => /\/chart-[^/]*\.js$/.test(address)), "a chunk of its own");
  // The fake agents tell neither.
  for (const title of ["Tokens", "Cost"]) {
    assert.equal(await part(title).locator(".usage-now").innerText(), "not known");
    assert.equal(await part(title).locator("canvas").count(), 0);
  }
  const row = (name) => page.getByRole("region", { name: "By agent" }).getByRole("row", { name: new RegExp(`^${name}`) });
  assert.match(await row("alpha").innerText(), /MiB/);
  assert.equal(await row("beta").getByRole("cell", { name: "not known" }).count(), 3);
  await page.getByRole("button", { name: "Memory" }).click();
  await page.getByRole("columnheader", { name: /Memory/ }).and(page.locator("[aria-sort=descending]")).waitFor();

  // The page says what the server said: the sum is of the two.
  const memory = async (id) => (await api("GET", `/managed-agents/${id}/metrics`)).memoryBytes;
  await until("the sum", async () => {
    const said = Number.parseInt(await part("Memory").locator(".usage-now").innerText(), 10);
    const sum = ((await memory(one)) + (await memory(two))) / 2 ** 20;
    return Math.abs(said - sum) < 1 + sum / 5 ? true : { said, sum };
  });

  // One agent has its own, under its own address; ended, what it had used.
  await row("alpha").getByRole("link", { name: "alpha" }).click();
  await page.getByRole("heading", { name: "alpha", level: 1 }).waitFor();
  assert.match(page.url(), /view=usage/);
  await part("Memory").locator("canvas").waitFor();
  await page.getByText("The server keeps no series.").waitFor();
  // Nobody looks: nobody is asked.
  const asked = [];
  page.on("request", (request) => request.url().endsWith("/metrics") && asked.push(request.url()));
  await page.waitForRequest((request) => request.url().endsWith(`${one}/metrics`));
  assert.ok(asked.every((address) => address.includes(one)), "the other one is not asked");
  await api("DELETE", `/managed-agents/${one}`);
  await page.getByText("It has ended.").waitFor();
  await page.locator(".facts", { hasText: "not known" }).waitFor();

  const phone = await open(await browser(PHONE), "/usage");
  await phone.locator(".usage-parts canvas").first().waitFor();
  await until("nothing wider than the screen", async () => is(await phone.evaluate(() => document.documentElement.scrollWidth), 390));
  await api("DELETE", `/managed-agents/${two}`);
  await phone.getByText("No agent lives that could be measured.").waitFor();
});

// A recording: played, searched, its pauses skipped, a link to a moment.
import assert from "node:assert/strict";
import { DESK, PHONE, agent, inBrowser, is, open, screenOf, spawnFake, tell, until } from "./kit.mjs";

await inBrowser(async (browser) => {
  const id = await spawnFake("recorded");
  for (const text of ["say first words", "lines 30", "say last words"]) {
    await tell(id, `do ${text}`);
    await until("it to be done", async () => is((await agent(id)).status, "ready") === true && ((await screenOf(id)).lines.some((line) => line.includes(text.slice(-8).trim())) || text));
  }
  // Where fingers are, the terminal is made of elements, which can be read.
  const context = await browser(DESK, { isMobile: true, hasTouch: true, permissions: ["clipboard-read", "clipboard-write"] });
  const page = await open(context, `/agents/${id}`);
  await page.getByRole("button", { name: "Recording" }).click();
  const player = page.getByRole("region", { name: "Recording" });
  const shown = () => player.locator(".xterm-rows").innerText();
  const slider = player.getByRole("slider", { name: "Moment" });
  await slider.waitFor();
  assert.equal(await slider.inputValue(), "0");

  // Played to its end, quickly.
  await player.getByLabel("Speed").selectOption("16");
  await player.getByRole("button", { name: "Play" }).click();
  await until("its end", async () => ((await shown()).includes("last words") ? true : shown()));
  const end = Number(await slider.getAttribute("max"));
  await until("it to stand still", async () => ((await player.getByRole("button", { name: "Play" }).count()) === 1 ? true : "plays"));

  // Back to the beginning, and forward by words.
  await slider.fill("0");
  await until("the beginning", async () => ((await shown()).includes("first words") ? shown() : true));
  const search = player.getByLabel("Search in the recording");
  await search.fill("first words");
  await search.press("Enter");
  await until("the words", async () => ((await shown()).includes("first words") ? true : shown()));
  assert.ok(!(await shown()).includes("last words"));
  await search.fill("nobody said that");
  await search.press("Enter");
  await player.getByText("not there").waitFor();

  // Without skipping it takes as long as it took.
  await player.getByLabel("Skip pauses").uncheck();
  await until("the whole time", async () => (Number(await slider.getAttribute("max")) >= end ? true : slider.getAttribute("max")));

  // A moment has an address.
  await player.getByRole("button", { name: "Copy link" }).click();
  await page.getByText(/address of this moment/).first().waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(link, /moment=\d+/);
  const linked = await context.newPage();
  await linked.goto(link);
  await until("that moment", async () => ((await linked.locator(".player .xterm-rows").innerText()).includes("first words") ? true : "not there yet"));
  await player.getByRole("button", { name: "Live" }).click();
  await page.getByRole("button", { name: "Fit to my window" }).waitFor();
  assert.ok(!page.url().includes("moment="));

  // From what happened to what was shown then, also when it has ended, and on a phone.
  await page.getByRole("tab", { name: "Activity" }).click();
  await page.getByLabel("Filter events by text").fill("last words");
  await until("one event", async () => is(await page.locator(".event").count(), 1));
  await page.getByRole("link", { name: "This moment in the recording" }).click();
  await until("that moment", async () => ((await page.locator(".player .xterm-rows").innerText()).includes("lines 30") ? true : "not there yet"));
  const phone = await open(await browser(PHONE), `/agents/${id}?view=terminal&moment=0`);
  await phone.getByRole("slider", { name: "Moment" }).waitFor();
  assert.deepEqual((await screenOf(id)).size, { cols: 120, rows: 40 }, "looking resizes nothing");
});

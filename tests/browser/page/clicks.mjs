// Clicks on the list while agents work: none is lost, and nothing moves under the pointer.
import assert from "node:assert/strict";
import { DESK, api, inBrowser, open, spawnFake, until } from "./kit.mjs";

const AGENTS = 8;
const CLICKS = 60;
/** How long a person holds the button, in milliseconds. */
const HELD_MS = 90;

await inBrowser(async (browser) => {
  const ids = await Promise.all(Array.from({ length: AGENTS }, (_, index) => spawnFake(`worker-${index}`)));
  // Grouped by status, rows would jump with every event.
  const page = await open(await browser(DESK), "/?by=status");
  await page.locator(".agent-row").nth(AGENTS - 1).waitFor();
  await page.evaluate((path) => {
    window.events = 0;
    const socket = new WebSocket(`ws://${location.host}${path}`);
    socket.onmessage = () => (window.events += 1);
    window.clicked = [];
    document.addEventListener("click", ({ target }) => window.clicked.push(target.closest(".agent-row")?.textContent ?? null), true);
  }, "/api/managed-agents/events");

  let working = true;
  const work = ids.map(async (id) => {
    while (working) await api("POST", `/managed-agents/${id}/send`, { message: "again", expectResponse: true });
  });
  await until("the agents to work", async () => (await page.evaluate(() => window.events)) > 20);
  const before = await page.evaluate(() => window.events);
  const began = Date.now();
  const box = await page.locator(".agent-list").boundingBox();
  const wanted = [];
  await page.mouse.move(box.x + 60, box.y + 60);
  for (let click = 0; click < CLICKS; click++) {
    // Anywhere in the list, also between two rows.
    const y = box.y + 50 + ((click * 37) % 380);
    await page.mouse.move(box.x + 60, y);
    const under = await page.evaluate(([x, y]) => document.elementFromPoint(x, y)?.closest(".agent-row")?.querySelector(".agent-name").textContent, [box.x + 60, y]);
    if (under === undefined) continue; // the head of a group
    await page.mouse.down();
    await new Promise((resolve) => setTimeout(resolve, HELD_MS));
    await page.mouse.up();
    wanted.push(under);
    await page.getByRole("heading", { level: 1, name: under, exact: true }).waitFor();
  }
  const events = (await page.evaluate(() => window.events)) - before;
  const rate = (1000 * events) / (Date.now() - began);
  working = false;
  await Promise.all(work);
  const clicked = await page.evaluate(() => window.clicked);
  assert.equal(clicked.length, wanted.length);
  clicked.forEach((text, index) => assert.ok(text?.includes(wanted[index]), `click ${index} was for ${wanted[index]}, and came to ${text}`));
  assert.ok(wanted.length > CLICKS / 2, `only ${wanted.length} rows were hit`);
  assert.ok(rate > 5, `${rate} events a second are no load`);
});

// Clicks on the list while agents work: none is lost, and nothing moves under the pointer.
import assert from "node:assert/strict";
import { DESK, api, eventsSeen, inBrowser, open, pressRow, spawnFake, until, watchClicks } from "./kit.mjs";

const AGENTS = 8;
const CLICKS = 60;
/** How long a person holds the button, in milliseconds. */
const HELD_MS = 90;

await inBrowser(async (browser) => {
  const ids = await Promise.all(Array.from({ length: AGENTS }, (_, index) => spawnFake(`worker-${index}`)));
  // Grouped by status, rows would jump with every event.
  const page = await open(await browser(DESK), "/?by=status");
  await page.locator(".agent-row").nth(AGENTS - 1).waitFor();
  await watchClicks(page);

  let working = true;
  const work = ids.map(async (id) => {
    while (working) await api("POST", `/managed-agents/${id}/send`, { message: "again", expectResponse: true });
  });
  await until("the agents to work", async () => (await eventsSeen(page)) > 20);
  const before = await eventsSeen(page);
  const began = Date.now();
  const box = await page.locator(".agent-list").boundingBox();
  const wanted = [];
  await page.mouse.move(box.x + 60, box.y + 60);
  for (let click = 0; click < CLICKS; click++) {
    // Anywhere in the list, also between two rows.
    const pressed = await pressRow(page, box.x + 60, box.y + 50 + ((click * 37) % 380), HELD_MS);
    if (pressed === undefined) continue;
    wanted.push(pressed);
    await page.getByRole("heading", { level: 1, name: pressed, exact: true }).waitFor();
  }
  const events = (await eventsSeen(page)) - before;
  const rate = (1000 * events) / (Date.now() - began);
  working = false;
  await Promise.all(work);
  const clicked = await page.evaluate(() => window.clicked);
  assert.deepEqual(clicked, wanted, "each click came to the row that it was for");
  assert.ok(wanted.length > CLICKS / 2, `only ${wanted.length} rows were hit`);
  assert.ok(rate > 5, `${rate} events a second are no load`);
});

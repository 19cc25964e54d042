// Three hundred agents and 20 events a second: no click is lost, and the page has time to spare.
import assert from "node:assert/strict";
import { DESK, api, eventsSeen, inBrowser, open, pressRow, until, watchClicks } from "./kit.mjs";

const AGENTS = Number(process.env.PARALLAX_BROWSER_AGENTS ?? 300);
const CLICKS = 200;
/** Agents that work, in turns: each turn is three events. */
const WORKING = 10;
/** How long a person holds the button, in milliseconds. */
const HELD_MS = 40;
const EVENTS_A_SECOND = 20;
/** The most of its time that the page may be at work. */
const MOST_BUSY = 0.5;

await inBrowser(async (browser) => {
  const ids = [];
  const spawning = Array.from({ length: 6 }, async (_, lane) => {
    for (let number = lane; number < AGENTS; number += 6) ids.push((await api("POST", "/managed-agents", { name: `worker-${number}`, type: "fake" })).id);
  });
  await Promise.all(spawning);
  const ready = async () => {
    let cursor = "";
    let count = 0;
    do {
      const { agents, nextCursor } = await api("GET", `/managed-agents?limit=500${cursor}`);
      count += agents.filter(({ status }) => status === "ready").length;
      cursor = nextCursor ? `&cursor=${encodeURIComponent(nextCursor)}` : "";
    } while (cursor);
    return count;
  };
  for (let tries = 0; (await ready()) < AGENTS && tries < 30; tries++) await new Promise((resolve) => setTimeout(resolve, 1000));
  assert.equal(await ready(), AGENTS);

  const page = await open(await browser(DESK), "/?by=status");
  await page.locator(".agent-row").nth(8).waitFor();
  await watchClicks(page);

  let working = true;
  const work = ids.slice(-WORKING).map(async (id, index) => {
    await new Promise((resolve) => setTimeout(resolve, (index * 1500) / WORKING));
    while (working) {
      const began = Date.now();
      await api("POST", `/managed-agents/${id}/send`, { message: "again", expectResponse: true });
      // No faster than wanted.
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, (3000 * WORKING) / (EVENTS_A_SECOND * 1.15) - (Date.now() - began))));
    }
  });
  await until("the agents to work", async () => (await eventsSeen(page)) > 20);

  // How busy the page is while nobody touches it, and then while somebody clicks.
  const client = await page.context().newCDPSession(page);
  await client.send("Performance.enable", { timeDomain: "timeTicks" });
  const busy = async (during) => {
    const metric = async () => Object.fromEntries((await client.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
    const [before, events, began] = [await metric(), await eventsSeen(page), Date.now()];
    await during();
    const [after, more] = [await metric(), await eventsSeen(page)];
    const seconds = after.Timestamp - before.Timestamp;
    return { share: (after.TaskDuration - before.TaskDuration) / seconds, rate: (1000 * (more - events)) / (Date.now() - began) };
  };
  const looking = await busy(() => new Promise((resolve) => setTimeout(resolve, 10_000)));

  const box = await page.locator(".agent-list").boundingBox();
  const wanted = [];
  const clicking = await busy(async () => {
    await page.mouse.move(box.x + 60, box.y + 60);
    for (let click = 0; wanted.length < CLICKS; click++) {
      const pressed = await pressRow(page, box.x + 60, box.y + 40 + ((click * 41) % Math.floor(box.height - 60)), HELD_MS);
      if (pressed !== undefined) wanted.push(pressed);
    }
  });
  // The index of texts follows although something happens all the time.
  await until("what was said to be found", async () => ((await api("GET", "/search?q=again&kind=message")).hits.length > 0 ? true : "nothing"));
  working = false;
  await Promise.all(work);
  const clicked = await page.evaluate(() => window.clicked);
  const lost = wanted.filter((name, index) => clicked[index] !== name).length;
  console.log(JSON.stringify({ agents: AGENTS, looking, clicking, clicks: wanted.length, lost }));
  assert.equal(clicked.length, CLICKS);
  assert.equal(lost, 0);
  assert.ok(looking.rate > EVENTS_A_SECOND * 0.8, `only ${looking.rate} events a second`);
  assert.ok(looking.share < MOST_BUSY, `the page is at work ${100 * looking.share} % of its time`);
});

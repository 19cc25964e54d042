// A phone: one pane at a time, answers in three taps, keys that it lacks, and a terminal that keeps its size.
import assert from "node:assert/strict";
import { DESK, PHONE, agent, api, inBrowser, is, open, press, screenOf, spawnFake, tell, until } from "./kit.mjs";

/** The first line of those that are seen whole that says `line N` or `N`: which one. */
const topLine = (page) =>
  page.evaluate(() => {
    const top = document.querySelector(".terminal-screen").getBoundingClientRect().top;
    const row = [...document.querySelectorAll(".xterm-rows > div")].find((row) => row.getBoundingClientRect().top >= top - 1 && /^(\* )?(line )?\d+\s*$/.test(row.textContent.trim()));
    return row ? Number(/\d+/.exec(row.textContent)[0]) : Infinity;
  });

/** Moves a finger over the terminal, from one height to another, and lifts it while it moves. */
async function fingerOn(page) {
  const client = await page.context().newCDPSession(page);
  return async (from, to) => {
    const box = await page.locator(".terminal-screen").boundingBox();
    const touch = (type, y) => client.send("Input.dispatchTouchEvent", { type, touchPoints: type === "touchEnd" ? [] : [{ x: box.x + 100, y: box.y + y }] });
    const step = (to - from) / 15;
    await touch("touchStart", from);
    for (let moved = 1; moved <= 15; moved++) await touch("touchMove", from + moved * step);
    await touch("touchEnd");
  };
}

await inBrowser(async (browser) => {
  const id = await spawnFake("pocket");
  await tell(id, "do ask about it && lines 200");
  await until("a question", async () => is((await agent(id)).attention !== undefined, true));
  const page = await open(await browser(PHONE));

  // Three taps at most: the page itself, the inbox, the answer.
  const bar = page.getByRole("navigation", { name: "Panes" });
  await page.locator(".agent-row").waitFor();
  await bar.getByRole("link", { name: "Inbox" }).tap();
  assert.equal(await page.locator(".sidebar").isVisible(), false, "one pane at a time");
  await press(page.locator(".attention").getByRole("button", { name: "Yes", exact: false }).first(), "tap");
  await page.getByText("Nobody waits for you.").waitFor();

  await bar.getByRole("link", { name: "Agents" }).tap();
  await page.locator(".agent-row").tap();
  await bar.getByRole("link", { name: "Terminal" }).tap();
  await page.locator(".xterm-rows", { hasText: "line 200" }).waitFor();

  // A finger scrolls back, the flick rolls on when it has left, and comes to rest.
  const flick = await fingerOn(page);
  const from = await topLine(page);
  await flick(100, 400);
  const left = await topLine(page);
  assert.ok(left < from, `it moved from ${from} to ${left}`);
  await until("it to roll on", async () => ((await topLine(page)) < left - 2 ? true : topLine(page)));
  await until("it to rest", async () => {
    const now = await topLine(page);
    await new Promise((resolve) => setTimeout(resolve, 300));
    return is(await topLine(page), now);
  });

  await until("it to be done", async () => is((await agent(id)).status, "ready"));
  await tell(id, "do gate");
  await until("it to work", async () => is((await agent(id)).status, "busy"));
  // Keys: Ctrl holds for the next letter, and there is a row for the others.
  const keys = page.getByRole("toolbar", { name: "Keys" });
  await keys.getByRole("button", { name: "Ctrl" }).tap();
  await keys.getByRole("button", { name: "Ctrl", pressed: true }).waitFor();
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type("g");
  await until("Ctrl-G to arrive", async () => ((await agent(id)).status === "ready" ? true : (await screenOf(id)).lines));
  await page.keyboard.type("by thumb");
  await keys.getByRole("button", { name: "Enter" }).tap();
  await page.locator(".xterm-rows", { hasText: "* echo: by thumb" }).waitFor();

  // Targets for fingers, letters that do not make the browser zoom, nothing wider than the screen.
  for (const address of ["/", "/inbox", "/runs", "/more", "/search", "/activity", "/terminals", `/agents/${id}`, `/agents/${id}?view=terminal&moment=0`]) {
    await page.goto(new URL(`#${address}`, page.url()).href);
    await page.locator(".bottom-bar").waitFor();
    const small = await page.evaluate(() =>
      [...document.querySelectorAll("button, .bottom-bar a, input, select, textarea")]
        .filter((element) => element.checkVisibility() && !element.matches(".skip, .xterm-helper-textarea, [type=checkbox], [type=radio], .copy"))
        .map((element) => ({ name: element.textContent || element.ariaLabel || element.placeholder, height: element.getBoundingClientRect().height, font: parseFloat(getComputedStyle(element).fontSize), typed: element.matches("input, textarea, select") }))
        .filter(({ height, font, typed }) => height < 34 || (height < 44 && !typed && height !== 34) || (typed && font < 16)),
    );
    assert.deepEqual(small, [], address);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, address);
  }
  assert.deepEqual((await screenOf(id)).size, { cols: 120, rows: 40 }, "looking resizes nothing");
  // On its side the terminal is taller than its room: the row where one types is in it.
  await page.setViewportSize({ width: 844, height: 390 });
  await page.goto(new URL(`#/agents/${id}?view=terminal`, page.url()).href);
  await until("the composer to be in view", () =>
    page.evaluate(() => {
      const box = document.querySelector(".terminal-screen")?.getBoundingClientRect();
      const row = [...document.querySelectorAll(".xterm-rows > div")].findLast(({ textContent }) => textContent.startsWith("❯"))?.getBoundingClientRect();
      return box && row && row.top >= box.top && row.bottom <= box.bottom ? true : { box, row };
    }),
  );
  await filtersInARow(page);
  await page.setViewportSize(PHONE.viewport);
  await withAShell(browser, page);

  // Back goes back.
  await page.goto(new URL("#/", page.url()).href);
  await page.locator(".agent-row", { hasText: "pocket" }).tap();
  await page.getByRole("heading", { name: "pocket" }).waitFor();
  await page.goBack();
  await page.locator(".agent-row", { hasText: "pocket" }).waitFor();
});

/** On its side the filter, the groups and the order stand beside each other, within the screen, and leave the most of it to the rows. */
async function filtersInARow(page) {
  await page.goto(new URL("#/", page.url()).href);
  await page.locator(".agent-row").first().waitFor();
  for (const viewport of [{ width: 844, height: 390 }, { width: 667, height: 375 }, { width: 568, height: 320 }]) {
    await page.setViewportSize(viewport);
    const size = `${viewport.width} by ${viewport.height}`;
    const boxes = await page.locator(".filters > *").evaluateAll((fields) => fields.map((field) => field.getBoundingClientRect().toJSON()));
    assert.equal(boxes.length, 3, size);
    for (const [index, box] of boxes.entries()) {
      assert.equal(box.top, boxes[0].top, `${size}: in one row`);
      assert.ok(box.height >= 44 && box.width >= 88, `${size}: ${box.width} by ${box.height}`);
      assert.ok(box.left >= (boxes[index - 1]?.right ?? 0) && box.right <= viewport.width, `${size}: beside each other, within the screen`);
    }
    assert.ok(boxes[0].width > boxes[1].width, `${size}: what is typed has the most room`);
    const list = await page.locator(".agent-list").boundingBox();
    assert.ok(list.height >= viewport.height / 3, `${size}: ${list.height} for the rows`);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width, size);
  }
  // They work there as everywhere.
  const filter = page.getByLabel("Filter agents");
  await filter.fill("nobody has this name");
  await page.locator(".agent-row").waitFor({ state: "detached" });
  await filter.fill("");
  await page.getByLabel("Group by").selectOption("by status");
  await page.locator(".list-head").first().waitFor();
  await page.getByLabel("Group by").selectOption("no groups");
  await page.locator(".list-head").waitFor({ state: "detached" });
}

/** A real shell, looked at from a desk meanwhile: what runs in it is ended from the phone, upright and on its side, and nobody's terminal changes its size. */
async function withAShell(browser, page) {
  const { id } = await api("POST", "/managed-agents", { name: "a-shell", type: "shell" });
  const becomes = (status) => until(`the shell to be ${status}`, async () => ((await agent(id)).status === status ? true : (await screenOf(id)).lines));
  await becomes("ready");
  const desk = await open(await browser(DESK), `/agents/${id}`);
  await desk.locator(".terminal-size", { hasText: "120×40" }).waitFor();
  const keys = page.getByRole("toolbar", { name: "Keys" });
  const type = async (text) => {
    await page.locator(".xterm-helper-textarea").focus();
    await page.keyboard.type(text);
  };
  const run = async (command) => {
    await type(command);
    await keys.getByRole("button", { name: "Enter" }).tap();
  };
  for (const [way, viewport] of [
    ["upright", PHONE.viewport],
    ["on-its-side", { width: 844, height: 390 }],
  ]) {
    await page.setViewportSize(viewport);
    await page.goto(new URL(`#/agents/${id}?view=terminal`, page.url()).href);
    await page.locator(".terminal-note").waitFor({ state: "detached" });
    const presses = {
      "the key": () => keys.getByRole("button", { name: "Control C" }).tap(),
      "Ctrl and a letter": async () => {
        await keys.getByRole("button", { name: "Ctrl" }).tap();
        await keys.getByRole("button", { name: "Ctrl", pressed: true }).waitFor();
        await type("c");
      },
    };
    for (const [how, press] of Object.entries(presses)) {
      await run("sleep 600");
      await becomes("busy");
      await press();
      await becomes("ready");
      await run(`echo ${way}: $?`);
      await until(`sleep to have ended by ${how}`, async () => ((await screenOf(id)).lines.some((line) => line.trim() === `${way}: 130`) ? true : (await screenOf(id)).lines));
      await run("clear");
    }
    // What was printed long ago is a flick away.
    await run("seq 1 900");
    // The line alone: the command has this number, too.
    await page.locator(".xterm-rows > div", { hasText: /^900\s*$/ }).waitFor();
    const flick = await fingerOn(page);
    const from = await topLine(page);
    await flick(20, 160);
    const left = await topLine(page);
    assert.ok(left < from, `${way}: from ${from} to ${left}`);
    await until(`${way}: it to roll on`, async () => ((await topLine(page)) < left ? true : topLine(page)));
    // All of the keys are there, and what can be pressed is large enough.
    for (const name of ["Esc", "Tab", "Up", "Down", "Left", "Right", "Slash"]) assert.ok((await keys.getByRole("button", { name, exact: true }).boundingBox()).height >= 44, `${way}: ${name}`);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width, way);
    // A permission in three taps this way, too.
    const { id: asker } = await api("GET", "/managed-agents").then(({ agents }) => agents.find(({ name }) => name === "pocket"));
    await tell(asker, "do ask once more");
    await until("a question", async () => is((await agent(asker)).attention !== undefined, true));
    const bar = page.getByRole("navigation", { name: "Panes" });
    await bar.getByRole("link", { name: "Inbox" }).tap();
    await press(page.locator(".attention").getByRole("button", { name: "Yes", exact: false }).first(), "tap");
    await page.getByText("Nobody waits for you.").waitFor();
    await until("it to be done", async () => is((await agent(asker)).status, "ready"));
    await page.goto(new URL(`#/agents/${id}?view=terminal`, page.url()).href);
    await run("clear");
  }
  assert.deepEqual((await screenOf(id)).size, { cols: 120, rows: 40 });
  assert.equal(await desk.locator(".terminal-size").innerText(), "120×40", "who looks from a desk sees no change");
  await page.setViewportSize(PHONE.viewport);
  await desk.close();
  await api("DELETE", `/managed-agents/${id}`);
}

// A phone: one pane at a time, answers in three taps, keys that it lacks, and a terminal that keeps its size.
import assert from "node:assert/strict";
import { PHONE, agent, inBrowser, is, open, screenOf, spawnFake, tell, until } from "./kit.mjs";

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
  await page.locator(".attention").getByRole("button", { name: "Yes", exact: false }).first().tap();
  await page.getByText("Nobody waits for you.").waitFor();

  await bar.getByRole("link", { name: "Agents" }).tap();
  await page.locator(".agent-row").tap();
  await bar.getByRole("link", { name: "Terminal" }).tap();
  const terminal = page.locator(".xterm-screen");
  await page.locator(".xterm-rows", { hasText: "line 200" }).waitFor();
  await page.locator(".xterm-rows", { hasText: "line 200" }).waitFor();

  // A finger scrolls back, and the flick rolls on.
  const box = await terminal.boundingBox();
  const client = await page.context().newCDPSession(page);
  const touch = (type, y) => client.send("Input.dispatchTouchEvent", { type, touchPoints: type === "touchEnd" ? [] : [{ x: box.x + 100, y }] });
  await touch("touchStart", box.y + 100);
  for (let y = 120; y <= 400; y += 20) await touch("touchMove", box.y + y);
  await touch("touchEnd");
  await until("what was before", async () => ((await page.locator(".xterm-rows").innerText()).includes("line 200") ? page.locator(".xterm-rows").innerText() : true));

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
  await page.setViewportSize(PHONE.viewport);
  // Back goes back.
  await page.goto(new URL("#/", page.url()).href);
  await page.locator(".agent-row").tap();
  await page.getByRole("heading", { name: "pocket" }).waitFor();
  await page.goBack();
  await page.locator(".agent-row").waitFor();
});

// A terminal on the page: searched, copied, its links, its letters, only watched; restarted; and the list beside it, as its address says.
import assert from "node:assert/strict";
import { DESK, agent, inBrowser, is, open, screenOf, spawnFake, tell, until } from "./kit.mjs";

await inBrowser(async (browser) => {
  const id = await spawnFake("alpha", { role: "writer" });
  await spawnFake("beta", { role: "reader" });
  await tell(id, "do print see http://127.0.0.1:9/linked for more && print a needle in hay && lines 60 && say done");
  await until("it to be done", async () => is((await agent(id)).status, "ready"));
  // Where fingers are, the terminal is made of elements, which can be read.
  const context = await browser(DESK, { isMobile: true, hasTouch: true, permissions: ["clipboard-read", "clipboard-write"] });
  const page = await open(context, `/agents/${id}`);
  const bar = page.locator(".terminal-bar");
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  await page.locator(".xterm-rows", { hasText: "done" }).waitFor();

  // What scrolled away is found, and what is found is selected and copied.
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.press("Control+Shift+F");
  const search = page.getByRole("search").getByRole("textbox");
  await search.fill("needle");
  await search.press("Enter");
  await page.locator(".xterm-rows", { hasText: "a needle in hay" }).waitFor();
  await bar.getByRole("button", { name: "Copy" }).click();
  await page.getByText("What is selected is in the clipboard.").first().waitFor();
  assert.equal(await clipboard(), "needle");
  await search.press("Escape");
  assert.equal(await page.getByRole("search").count(), 0);

  // A link of an agent opens beside the page, and knows nothing of it.
  const link = await page.evaluate(() => {
    const walker = document.createTreeWalker(document.querySelector(".xterm-rows"), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const at = node.data.indexOf("http://");
      if (at < 0) continue;
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + 4);
      const { x, y, width, height } = range.getBoundingClientRect();
      return { x: x + width / 2, y: y + height / 2 };
    }
  });
  await page.mouse.move(link.x - 5, link.y);
  await page.mouse.move(link.x, link.y);
  await page.locator(".xterm-cursor-pointer").waitFor();
  const [opened] = await Promise.all([context.waitForEvent("page"), page.mouse.click(link.x, link.y)]);
  assert.equal(await opened.evaluate(() => window.opener).catch(() => null), null);
  await opened.close();

  // Letters are larger and smaller, and the agent's terminal is as it was.
  const height = async () => (await page.locator(".xterm-rows > div").first().boundingBox()).height;
  const usual = await height();
  for (let times = 0; times < 4; times++) await bar.getByRole("button", { name: /larger letters/ }).click();
  await until("larger letters", async () => ((await height()) > usual + 2 ? true : height()));
  assert.deepEqual((await screenOf(id)).size, { cols: 120, rows: 40 });

  // Only watched, nothing is typed; the size cannot be taken either.
  await bar.getByLabel("Watch only").check();
  await page.locator(".terminal-note").waitFor({ state: "detached" });
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type("never");
  assert.equal(await bar.getByRole("button", { name: "Fit to my window" }).isDisabled(), true);
  await bar.getByLabel("Watch only").uncheck();
  await page.locator(".terminal-note").waitFor({ state: "detached" });
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type("typed");
  await until("what was typed", async () => ((await screenOf(id)).lines.some((line) => line.includes("❯ typed")) ? true : (await screenOf(id)).lines));

  // Restarted after being asked: the terminal goes on with the new process.
  await page.getByRole("button", { name: "Restart" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Restart" }).click();
  await until("what was typed to be gone", async () => ((await screenOf(id)).lines.every((line) => !line.includes("typed")) ? true : (await screenOf(id)).lines));
  await until("it to be ready", async () => is((await agent(id)).status, "ready"));
  await tell(id, "do say after the restart");
  await page.locator(".xterm-rows", { hasText: "after the restart" }).waitFor();

  // The palette presses what has a button.
  await page.locator("h1").first().click();
  await page.keyboard.press("Control+k");
  await page.getByPlaceholder("Go to an agent").fill("watch its terminal");
  await page.keyboard.press("Enter");
  await until("it to be watched", async () => is(await bar.getByLabel("Watch only").isChecked(), true));
  await page.keyboard.press("Control+k");
  await page.getByPlaceholder("Go to an agent").fill("stop it");
  await page.keyboard.press("Enter");
  await page.getByRole("alertdialog", { name: "Stop alpha?" }).getByRole("button", { name: "Cancel" }).click();

  // The list is as the address says, and the address as the list.
  const listed = await open(context, "/?q=role%3D&by=role&sort=name");
  await listed.getByLabel("Group by").waitFor();
  assert.deepEqual([await listed.getByLabel("Group by").inputValue(), await listed.getByLabel("Sort by").inputValue()], ["role", "name"]);
  await listed.getByLabel(/^Filter agents/).fill("beta");
  await until("one agent", async () => is(await listed.locator(".agent-row").count(), 1));
  assert.match(listed.url(), /q=beta/);
  await listed.getByLabel("Sort by").selectOption("waiting");
  assert.match(listed.url(), /sort=waiting/);
  await listed.locator(".agent-row").click();
  await listed.getByRole("heading", { name: "beta", level: 1 }).waitFor();
  assert.match(listed.url(), /q=beta.*sort=waiting|sort=waiting.*q=beta/, "it stays with the agent");
});

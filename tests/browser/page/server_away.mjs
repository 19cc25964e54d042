// The servers are killed and start again: the page says so on every view, keeps what is being written, passes nothing old off as new, and
// the terminal goes on where it was, without a flicker and without a line that is lost or there twice.
import assert from "node:assert/strict";
import { DESK, demand, inBrowser, is, open, spawnFake, tell, until } from "./kit.mjs";

/** Lines that the agent prints one by one, before, while and after the servers are away. */
const BEATS = 60;
/** Between two of them, in milliseconds. */
const BEAT_MS = 150;

await inBrowser(async (browser) => {
  const [id, ticker] = [await spawnFake("survivor"), await spawnFake("ticker")];
  const context = await browser(DESK, { permissions: ["clipboard-read", "clipboard-write"] });
  const page = await open(context, `/agents/${id}`);
  const other = await open(context, `/agents/${ticker}`);
  await page.locator(".connection.live").waitFor();
  await tell(id, "do say before");
  await page.locator(".message.agent", { hasText: "before" }).waitFor();
  const box = page.getByLabel("Message", { exact: true });
  await box.fill("half a thought");

  // It prints while nobody can hear it.
  const shown = () => other.evaluate(() => navigator.clipboard.readText());
  const copy = async () => {
    await other.bringToFront();
    await other.getByRole("button", { name: "Copy", exact: true }).click();
    await other.getByText("What the terminal shows and keeps is in the clipboard.").first().waitFor();
    return shown();
  };
  await tell(ticker, `do ${Array.from({ length: BEATS }, (_, beat) => `print beat ${beat} && wait ${BEAT_MS}`).join(" && ")} && print last beat`);
  await until("the first beats", async () => ((await copy()).includes("beat 3") ? true : shown()));
  // A terminal that is emptied or made anew would be seen here.
  await other.evaluate(() => {
    window.flickers = [];
    const terminal = document.querySelector(".xterm");
    new MutationObserver(() => document.contains(terminal) || window.flickers.push("made anew")).observe(document.body, { childList: true, subtree: true });
    const heading = document.querySelector("h1").textContent;
    new MutationObserver(() => document.querySelector("h1")?.textContent === heading || window.flickers.push("left the agent")).observe(document.querySelector("main"), { childList: true, subtree: true, characterData: true });
  });

  await demand("kill");
  await page.bringToFront();
  await page.getByText("not connected").waitFor();
  await page.getByText("Connection lost").waitFor();
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText("The server does not answer.").first().waitFor();
  assert.equal(await box.inputValue(), "half a thought", "what was not sent is kept");
  assert.equal(await page.getByRole("heading", { name: "survivor" }).isVisible(), true, "what was known is still shown");

  // Wherever one goes, the head says that what is shown is old; no runtime is called healthy, and no status stands as if it were known.
  for (const address of ["/", "/inbox", "/runs", "/usage", "/activity", "/search", "/more", `/agents/${id}?view=details`]) {
    await page.evaluate((hash) => (location.hash = hash), address);
    await page.locator(".connection.lost", { hasText: "not connected since" }).waitFor();
    assert.equal(await page.locator(".app").getAttribute("data-connection"), "lost", address);
    assert.equal(await page.locator("main").getByText("healthy", { exact: true }).count(), 0, address);
    assert.equal(await page.getByText("TypeError").count(), 0, address);
  }
  await page.evaluate((hash) => (location.hash = hash), `/agents/${id}`);
  await page.locator(".detail .badge", { hasText: "last known" }).waitFor();
  assert.equal(await box.inputValue(), "half a thought");
  await page.locator(".message.agent", { hasText: "before" }).waitFor();

  await demand("start");
  await page.locator(".connection.live").waitFor();
  await page.locator(".terminal-note").waitFor({ state: "detached" });
  assert.equal(await page.locator(".detail .badge", { hasText: "last known" }).count(), 0);
  await page.getByRole("button", { name: "Send" }).click();
  await page.locator(".message.agent", { hasText: "echo: half a thought" }).waitFor();
  await page.locator(".badge.ready").waitFor();

  // All of what was printed, once each and in order.
  await other.locator(".connection.live").waitFor();
  // On a line of its own: the message, which names it too, is shown from the first.
  await until("the last beat", async () => (/^\s*\W?\s*last beat\s*$/m.test(await copy()) ? true : shown()));
  const beats = [...(await shown()).matchAll(/^\s*\W?\s*beat (\d+)\s*$/gm)].map(([, beat]) => Number(beat));
  assert.deepEqual(beats, Array.from({ length: BEATS }, (_, beat) => beat));
  await until("no flicker", async () => is((await other.evaluate(() => window.flickers)).join(), ""));
});

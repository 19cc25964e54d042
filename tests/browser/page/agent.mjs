// One agent, from the form to its end.
import assert from "node:assert/strict";
import { DESK, agent, api, inBrowser, is, open, screenOf, until, url } from "./kit.mjs";

await inBrowser(async (browser) => {
  const page = await open(await browser(DESK));
  await page.getByText("No agents yet.").waitFor();
  await page.getByRole("button", { name: "Spawn" }).click();
  const form = page.getByRole("dialog", { name: "Spawn an agent" });
  await form.getByLabel("Name").fill("from-the-form");
  await form.getByLabel("Type").selectOption("fake");
  await form.getByText("More", { exact: true }).click();
  await form.getByLabel("Labels").fill("team=core");
  await form.getByRole("button", { name: "Spawn" }).click();
  await page.getByRole("heading", { name: "from-the-form" }).waitFor();
  const id = /agents\/([^?]+)/.exec(page.url())[1];
  assert.deepEqual((await agent(id)).labels, { team: "core" });
  await page.locator(".badge.ready").waitFor();

  // Markdown is Markdown, and what is in it runs nothing and goes nowhere by itself.
  const box = page.getByLabel("Message", { exact: true });
  await box.fill("**bold** <img src=x onerror=alert(1)> [bad](javascript:alert(1)) ![pic](http://127.0.0.1:9/pic.png) [web](http://example.com)");
  await box.press("Enter");
  const reply = page.locator(".message.agent .markdown");
  await reply.locator("strong", { hasText: "bold" }).waitFor();
  assert.equal(await reply.locator("img, script").count(), 0);
  assert.match(await reply.innerText(), /<img src=x onerror=alert\(1\)>/);
  assert.notEqual(await reply.getByText("bad").getAttribute("href"), "javascript:alert(1)");
  assert.equal(await reply.getByText("web").getAttribute("rel"), "noopener noreferrer");
  await page.locator(".message.user", { hasText: "answered" }).waitFor();
  await box.fill("code:\n\n```rust\nfn main() {}\n```");
  await box.press("Enter");
  await page.locator(".message.agent .hljs-keyword", { hasText: "fn" }).waitFor();

  // A message that waits is taken back, and is not typed.
  await box.fill("do gate");
  await box.press("Enter");
  await page.locator(".badge.busy").waitFor();
  await box.fill("do say never");
  await box.press("Enter");
  const waiting = page.locator(".message.user", { hasText: "do say never" });
  await waiting.getByRole("button", { name: "withdraw" }).click();
  await waiting.getByText("it was withdrawn before it was typed").waitFor();
  await api("POST", `/managed-agents/${id}/input`, { keys: ["ctrl-g"] });
  await page.locator(".badge.ready").waitFor();
  const heard = (await api("GET", `/managed-agents/${id}/messages`)).messages;
  assert.ok(heard.every(({ role, content }) => role !== "agent" || !content.includes("never")));
  const again = await fetch(`${url}/api/managed-agents/${id}/messages/${heard.find(({ content }) => content === "do gate").id}`, { method: "DELETE" });
  assert.equal(again.status, 409, "what was typed cannot be taken back");

  // Typing goes into the terminal; looking at it changed no size.
  assert.deepEqual((await screenOf(id)).size, { cols: 120, rows: 40 });
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type("typed here");
  await until("the terminal to have it", async () => (await screenOf(id)).lines.some((line) => line.includes("❯ typed here")) || (await screenOf(id)).lines);
  // A key leads out of it again.
  await page.keyboard.press("Control+F6");
  await until("the focus to leave", async () => is(await page.evaluate(() => document.activeElement.closest(".xterm") === null), true));
  // Asked for, it takes the size of the window.
  await page.getByRole("button", { name: "Fit to my window" }).click();
  await until("another size", async () => ((await screenOf(id)).size.cols !== 120 ? true : (await screenOf(id)).size));
  // Given back, and left with the page, it is as it was.
  const before = { cols: 120, rows: 40 };
  const asBefore = async () => {
    const { size } = await screenOf(id);
    return size.cols === before.cols && size.rows === before.rows ? true : size;
  };
  await page.getByRole("button", { name: "Give the size back" }).click();
  await until("the size that it had", asBefore);
  const other = await open(page.context(), `/agents/${id}`);
  await other.getByRole("button", { name: "Fit to my window" }).click();
  await other.getByRole("button", { name: "Give the size back" }).waitFor();
  await until("another size", async () => ((await asBefore()) === true ? before : true));
  await other.close();
  await until("the size that it had", asBefore);

  await page.getByRole("tab", { name: "Activity" }).click();
  await page.locator(".event-name", { hasText: "agent_started" }).waitFor();
  await page.getByRole("tab", { name: "Details" }).click();
  await page.locator(".facts", { hasText: id }).waitFor();

  // Restart and stop ask first.
  await page.getByRole("button", { name: "Restart" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Stop" }).click();
  assert.notEqual((await agent(id)).status, "stopped");
  await page.getByRole("alertdialog").getByRole("button", { name: "Stop" }).click();
  await page.locator(".badge.stopped").waitFor();
  await page.getByText(/^Ended: stopped/).waitFor();
  assert.equal(await page.getByRole("button", { name: "Restart" }).count(), 0, "what has ended cannot be restarted");
  await page.getByRole("button", { name: /ended 1/ }).waitFor();

  // The address of the page before it had others.
  const old = await open(page.context(), id);
  await old.getByRole("heading", { name: "from-the-form" }).waitFor();
});

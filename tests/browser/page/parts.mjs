// A part of the page that does not come says so in its own place: the rest goes on, and the part can be asked for again.
import assert from "node:assert/strict";
import { DESK, inBrowser, open, spawnFake, tell, until } from "./kit.mjs";

await inBrowser(async (browser) => {
  const id = await spawnFake("writer");
  await tell(id, "**bold** words");
  const context = await browser(DESK);
  await context.route(/\/assets\/(terminal-pane|palette|react-markdown)-[^/]+\.js$/, (route) => route.abort());
  const page = await open(context, `/agents/${id}`);

  // The terminal says why it is not there; the conversation is there, as it was written.
  const failed = page.locator(".terminal-pane .failed-box");
  await failed.getByText("This part of the page could not be loaded.").waitFor();
  await page.getByRole("heading", { name: "writer" }).waitFor();
  await page.locator(".message.agent", { hasText: "**bold** words" }).waitFor();
  await page.locator(".connection.live").waitFor();

  // So do the commands, and are closed like the commands.
  await page.keyboard.press("Control+k");
  const commands = page.getByRole("dialog", { name: "Commands" });
  await commands.getByText("This part of the page could not be loaded.").waitFor();
  await page.keyboard.press("Escape");
  await commands.waitFor({ state: "detached" });

  // Asked for again in vain, the page can be loaded anew.
  await failed.getByRole("button", { name: "Try again" }).click();
  await failed.getByRole("button", { name: "Reload the page" }).waitFor();
  assert.equal(await page.getByRole("heading", { name: "writer" }).isVisible(), true);

  await context.unrouteAll();
  await failed.getByRole("button", { name: "Try again" }).click();
  // Browsers may keep that a part did not come.
  await until("the terminal", async () => {
    if (await page.locator(".terminal-pane .xterm").isVisible()) return true;
    await failed.getByRole("button", { name: "Reload the page" }).click({ timeout: 1000 }).catch(() => undefined);
    return "not yet";
  });
  // What comes later, or anew, comes.
  await page.reload();
  await page.locator(".message.agent .markdown strong", { hasText: "bold" }).waitFor();
  await page.locator(".terminal-pane .xterm").waitFor();
});

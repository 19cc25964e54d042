// What an agent prints sets the clipboard (OSC 52) while a person is at its terminal, and never otherwise: not beside it, not where it is
// only watched, not out of a recording.
import assert from "node:assert/strict";
import { DESK, agent, api, inBrowser, is, open, tell, until } from "./kit.mjs";

await inBrowser(async (browser) => {
  const { id } = await api("POST", "/managed-agents", { name: "copier", type: "shell" });
  await until("it to be ready", async () => is((await agent(id)).status, "ready"));
  // Where fingers are, the terminal is made of elements, which can be read.
  const context = await browser(DESK, { isMobile: true, hasTouch: true, permissions: ["clipboard-read", "clipboard-write"] });
  const page = await open(context, `/agents/${id}`);
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  const keyboard = page.locator(".xterm-helper-textarea");
  const connected = () => page.locator(".terminal-note").waitFor({ state: "detached" });
  /** Text into the clipboard by OSC 52, then a word on the screen that the command itself does not hold: what stands before it was seen. */
  const copies = (text, word) => `printf '\\e]52;c;${Buffer.from(text).toString("base64")}\\a%s\\n' ${word.slice(0, 1)}""${word.slice(1)}`;
  const seen = (word) => page.locator(".xterm-rows", { hasText: word }).waitFor();
  await connected();

  // Who types there has it.
  await keyboard.focus();
  await page.keyboard.type(`${copies("typed here", "first")}\n`);
  await seen("first");
  await until("the clipboard", async () => is(await clipboard(), "typed here"));

  // Beside it, what was copied elsewhere stays.
  await page.evaluate(() => navigator.clipboard.writeText("my own"));
  await page.getByLabel("Message", { exact: true }).focus();
  await tell(id, copies("unasked", "second"));
  await seen("second");
  assert.equal(await clipboard(), "my own");
  await page.locator(".terminal-bar").getByRole("button", { name: "Search in the terminal" }).click();
  await tell(id, copies("while searching", "third"));
  await seen("third");
  assert.equal(await clipboard(), "my own");

  // Nor where it is only watched, with the focus in it.
  await page.getByLabel("Watch only").check();
  await connected();
  await keyboard.focus();
  await tell(id, copies("watched", "fourth"));
  await seen("fourth");
  assert.equal(await clipboard(), "my own");
  await page.getByLabel("Watch only").uncheck();
  await connected();

  // A recording sets nothing, however it is played.
  await page.getByRole("button", { name: "Recording" }).click();
  const player = page.getByRole("region", { name: "Recording" });
  await player.getByLabel("Speed").selectOption("16");
  await player.getByRole("button", { name: "Play" }).click();
  await player.locator(".xterm-helper-textarea").focus();
  await until("its end", async () => ((await player.locator(".xterm-rows").innerText()).includes("fourth") ? true : player.locator(".xterm-rows").innerText()));
  assert.equal(await clipboard(), "my own");
  await player.getByRole("button", { name: "Live" }).click();

  // Back in it, it is as before.
  await connected();
  await keyboard.focus();
  await page.keyboard.type(`${copies("typed again", "fifth")}\n`);
  await seen("fifth");
  await until("the clipboard", async () => is(await clipboard(), "typed again"));
});

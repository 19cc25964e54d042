// A real CLI by the page alone: spawned by the form, told something, its question answered in the inbox, its answer read.
//
//   node real_cli.mjs MODULES URL TYPE
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { DESK, api, giveFiles, inBrowser, open, press, screenOf, until, url } from "./kit.mjs";

const type = process.argv[4];

await inBrowser(async (browser) => {
  const context = await browser(DESK);
  // A real CLI starts slowly, more so on a machine that does other things.
  context.setDefaultTimeout(90_000);
  const page = await open(context);
  await page.getByRole("button", { name: "Spawn" }).click();
  const form = page.getByRole("dialog", { name: "Spawn an agent" });
  await form.getByLabel("Name", { exact: true }).fill(`real-${type}`);
  await form.getByLabel("Type").selectOption(type);
  await form.getByRole("button", { name: "Spawn", exact: true }).click();
  await page.getByRole("heading", { name: `real-${type}` }).waitFor();
  const id = /agents\/([^?]+)/.exec(page.url())[1];
  await page.locator(".xterm").waitFor();
  await page.locator(".detail .badge.ready").waitFor();

  const box = page.getByLabel("Message", { exact: true });
  await box.fill("Review the latest changes");
  await box.press("Enter");
  await page.locator(".message.agent .markdown strong", { hasText: "sound" }).waitFor();

  await box.fill("Please make the file");
  await box.press("Enter");
  const sent = page.waitForRequest((request) => request.url().endsWith(`/${id}/answer`));
  await page.getByRole("link", { name: /^Inbox/ }).click();
  const card = page.locator("main .attention", { hasText: `real-${type}` });
  // Of a tool that is called by a script, what the CLI itself shows says what would be done.
  await card.locator(".tool:visible, .attention-text:visible").filter({ hasText: "touch made.txt" }).first().waitFor();
  await until("the title to count", async () => ((await page.title()).startsWith("(1) ") ? true : page.title()));
  const { attention } = await api("GET", `/managed-agents/${id}`);
  await press(card.locator(".option.primary"));
  assert.deepEqual((await sent).postDataJSON(), { attentionId: attention.id, option: "yes" });
  await page.getByText("Nobody waits for you.").waitFor();

  await page.locator(".agent-row").click();
  await page.locator(".message.agent", { hasText: "It is done." }).waitFor();
  assert.equal((await fetch(`${url}/api/managed-agents/${id}/files/made.txt`)).status, 200, "what was permitted was done");

  // What it uses: the page says of tokens what the server knows, and no more.
  await page.getByRole("tab", { name: "Usage" }).click();
  await page.locator(".usage-parts canvas").first().waitFor();
  const { tokens, costUsd } = await api("GET", `/managed-agents/${id}/metrics`);
  const now = (title) => page.locator(".usage-parts li", { has: page.getByRole("heading", { name: title, exact: true }) }).locator(".usage-now").innerText();
  console.log(JSON.stringify({ type, tokens, costUsd }));
  assert.equal((await now("Tokens")) === "not known", tokens === undefined);
  assert.equal((await now("Cost")) === "not known", costUsd === undefined);
  // An image that is dropped on its terminal is one: the CLI knows it by its path.
  await giveFiles(page.locator(".terminal-screen"), "drop", [{ name: "shot.png", type: "image/png", bytes: [...readFileSync(new URL("../../kit/pictures/shot.png", import.meta.url))] }]);
  await until("the image", async () => ((await screenOf(id)).lines.some((line) => /\[Image [^\]]+\]/.test(line)) ? true : (await screenOf(id)).lines));
  await api("DELETE", `/managed-agents/${id}`);
});

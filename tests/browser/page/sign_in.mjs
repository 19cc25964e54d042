// A server with a token.
import assert from "node:assert/strict";
import { DESK, inBrowser, open } from "./kit.mjs";

const TOKEN = "let-me-in-to-this-server";

await inBrowser(async (browser) => {
  const context = await browser(DESK);
  const page = await open(context, "/more");
  const dialog = page.getByRole("dialog", { name: "This server wants a token" });
  await dialog.getByLabel("Token").fill("wrong");
  await dialog.getByRole("button", { name: "Continue" }).click();
  await dialog.getByText("The server does not know this token.").waitFor();
  await page.keyboard.press("Escape");
  await dialog.getByLabel("Token").fill(TOKEN);
  await dialog.getByRole("button", { name: "Continue" }).click();
  await page.locator(".connection.live").waitFor();
  await page.locator("main .card", { hasText: "local" }).waitFor();

  // Another tab has it from this one, and after leaving it is gone.
  const other = await open(context);
  await other.locator(".connection.live").waitFor();
  assert.equal(await other.getByRole("dialog").count(), 0);
  await other.close();
  await page.getByRole("button", { name: "Sign out" }).click();
  await dialog.waitFor();
});

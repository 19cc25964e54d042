// A server with a token.
import assert from "node:assert/strict";
import { DESK, inBrowser, open, require } from "./kit.mjs";

const { source } = require("axe-core");

const TOKEN = "let-me-in-to-this-server";

await inBrowser(async (browser) => {
  const context = await browser(DESK);
  const page = await open(context, "/more");
  const dialog = page.getByRole("dialog", { name: "This server wants a token" });
  await dialog.getByLabel("Token").fill("wrong");
  await dialog.getByRole("button", { name: "Continue" }).click();
  await dialog.getByText("The server does not know this token.").waitFor();
  await page.evaluate(source);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes[0].html]), [], colorScheme);
  }
  await page.keyboard.press("Escape");
  await dialog.getByLabel("Token").fill(TOKEN);
  await dialog.getByRole("button", { name: "Continue" }).click();
  await page.locator(".connection.live").waitFor();
  await page.locator("main .card", { hasText: "local" }).waitFor();

  // Another tab has it from this one, and after leaving it is gone from both: neither gives it back to the other.
  const other = await open(context);
  await other.locator(".connection.live").waitFor();
  assert.equal(await other.getByRole("dialog").count(), 0);
  const asked = (tab) => tab.getByRole("dialog", { name: "This server wants a token" });
  await page.getByRole("button", { name: "Sign out" }).click();
  await asked(page).waitFor();
  await asked(other).waitFor();
  for (const tab of [page, other]) assert.equal(await tab.evaluate(() => sessionStorage.getItem("parallax.token")), null);

  // Signed in again in one, the other has it when it is loaded again; by the palette it is the same.
  await asked(page).getByLabel("Token").fill(TOKEN);
  await asked(page).getByRole("button", { name: "Continue" }).click();
  await page.locator(".connection.live").waitFor();
  await other.reload();
  await other.locator(".connection.live").waitFor();
  await other.keyboard.press("Control+k");
  await other.getByPlaceholder("Go to an agent").fill("sign out");
  await other.keyboard.press("Enter");
  await asked(other).waitFor();
  await asked(page).waitFor();
});

// The servers are killed and start again: the page says so, keeps what is being written, and shows what happened meanwhile.
import assert from "node:assert/strict";
import { DESK, demand, inBrowser, open, spawnFake, tell } from "./kit.mjs";

await inBrowser(async (browser) => {
  const id = await spawnFake("survivor");
  const page = await open(await browser(DESK), `/agents/${id}`);
  await page.locator(".connection.live").waitFor();
  await tell(id, "do say before");
  await page.locator(".message.agent", { hasText: "before" }).waitFor();
  const box = page.getByLabel("Message", { exact: true });
  await box.fill("half a thought");

  await demand("kill");
  await page.getByText("not connected").waitFor();
  await page.getByText("Connection lost").waitFor();
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText("The server does not answer.").first().waitFor();
  assert.equal(await box.inputValue(), "half a thought", "what was not sent is kept");
  assert.equal(await page.getByRole("heading", { name: "survivor" }).isVisible(), true, "what was known is still shown");

  await demand("start");
  await page.locator(".connection.live").waitFor();
  await page.locator(".terminal-note").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Send" }).click();
  await page.locator(".message.agent", { hasText: "echo: half a thought" }).waitFor();
  await page.locator(".badge.ready").waitFor();
});

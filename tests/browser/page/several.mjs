// Search, commands, several agents and several terminals at once, files for an agent.
import assert from "node:assert/strict";
import { DESK, agent, api, inBrowser, is, open, screenOf, spawnFake, tell, until, url } from "./kit.mjs";

await inBrowser(async (browser) => {
  const [one, two, three] = await Promise.all(["alpha", "beta", "gamma"].map((name) => spawnFake(name)));
  await tell(one, "do say the quick brown fox");
  await tell(two, "do say <b>markup</b> of a fox");
  const page = await open(await browser(DESK), "/search");

  // What was said is found, and leads to the conversation; markup stays text.
  await until("the index to follow", async () => ((await api("GET", "/search?q=fox&kind=message")).hits.length >= 4 ? true : (await api("GET", "/search?q=fox")).hits));
  await page.getByRole("searchbox", { name: "Words in messages and logs" }).fill("quick fo");
  const hit = page.locator(".hit", { hasText: "alpha" }).first();
  await hit.locator("mark", { hasText: "fox" }).first().waitFor();
  assert.match(page.url(), /s=quick/);
  await page.getByLabel("Where").selectOption("message");
  await page.locator(".hit", { hasText: "alpha" }).first().click();
  await page.getByRole("heading", { name: "alpha", level: 1 }).waitFor();
  await page.locator(".message.agent", { hasText: "quick brown fox" }).waitFor();
  for (const bad of ["q=", `q=${"a".repeat(300)}`, "q=a&limit=0", "q=a&limit=201", "q=a&kind=x", "q=a&more=1"]) assert.equal((await fetch(`${url}/api/search?${bad}`)).status, 400, bad);
  for (const odd of ["%22", "fox%22%20OR%20%22", "NEAR(fox)", "text:fox", "*", "fox*"].filter((text) => text !== "*")) assert.equal((await fetch(`${url}/api/search?q=${odd}`)).status, 200, odd);

  // Commands: what was typed leads to an agent, or into the search.
  await page.keyboard.press("Control+F6");
  await page.locator("h1").first().click();
  await page.keyboard.press("Control+k");
  const palette = page.getByPlaceholder("Go to an agent");
  await palette.fill("gamma");
  await page.getByRole("option", { name: /^gamma/ }).first().click();
  await page.getByRole("heading", { name: "gamma", level: 1 }).waitFor();
  await page.keyboard.press("Control+k");
  await palette.fill("show its recording");
  await page.keyboard.press("Enter");
  await page.getByRole("region", { name: "Recording" }).waitFor();
  await page.keyboard.press("Control+k");
  await palette.fill("markup");
  await page.getByRole("option", { name: /Search messages and logs/ }).click();
  await page.locator(".hit", { hasText: "beta" }).first().waitFor();
  assert.equal(await page.locator(".hit b").count(), 0);

  // A message for several, then their end.
  await page.getByRole("button", { name: "Several …" }).click();
  const dialog = page.getByRole("dialog", { name: "Several agents" });
  await dialog.getByLabel("alpha").check();
  await dialog.getByLabel("gamma").check();
  await dialog.getByLabel("Message").fill("do say together");
  await dialog.getByRole("button", { name: "Send to 2" }).click();
  await dialog.waitFor({ state: "detached" });
  for (const id of [one, three]) await until("the message to arrive", async () => ((await api("GET", `/managed-agents/${id}/messages`)).messages.some(({ content }) => content === "together") ? true : "not yet"));
  assert.ok((await api("GET", `/managed-agents/${two}/messages`)).messages.every(({ content }) => content !== "together"));

  // Several terminals: each live, in the size that it has; one may be typed into.
  await page.goto(new URL("#/terminals", page.url()).href);
  await until("three terminals", async () => is(await page.locator(".terminal-cell .xterm").count(), 3));
  const beta = page.locator(".terminal-cell", { hasText: "beta" });
  await beta.locator(".terminal-note").waitFor({ state: "detached" });
  await beta.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type("typed into beta");
  await until("beta to have it", async () => ((await screenOf(two)).lines.some((line) => line.includes("typed into beta")) ? true : (await screenOf(two)).lines));
  assert.ok((await screenOf(one)).lines.every((line) => !line.includes("typed into beta")));
  // A key leads out of it, to its own head.
  await page.keyboard.press("Control+F6");
  await until("the focus to leave", async () => is(await page.evaluate(() => document.activeElement.ariaLabel), "Close the terminal of beta"));
  await page.getByRole("button", { name: "Close the terminal of alpha" }).click();
  await until("two terminals", async () => is(await page.locator(".terminal-cell .xterm").count(), 2));
  for (const id of [one, two, three]) assert.deepEqual((await screenOf(id)).size, { cols: 120, rows: 40 });

  // A file that is pasted and one that is chosen are in the agent's directory; the message names them.
  await page.goto(new URL(`#/agents/${three}`, page.url()).href);
  const box = page.getByLabel("Message", { exact: true });
  await box.waitFor();
  await box.evaluate((element) => {
    const files = new DataTransfer();
    files.items.add(new File([new Uint8Array([137, 80, 68, 70])], "", { type: "application/pdf" }));
    element.dispatchEvent(new ClipboardEvent("paste", { clipboardData: files, bubbles: true, cancelable: true }));
  });
  await until("the pasted one to be named", async () => (/attached-\d+-picture\.pdf $/.test(await box.inputValue()) ? true : box.inputValue()));
  await page.getByLabel("Attach files").setInputFiles({ name: "../notes.txt", mimeType: "text/plain", buffer: Buffer.from("some notes") });
  await until("the file to be named", async () => (/attached-\d+-notes\.txt $/.test(await box.inputValue()) ? true : box.inputValue()));
  const named = (await box.inputValue()).trim().split(" ").map((path) => path.split("/").at(-1));
  const read = async (name) => Buffer.from(await (await fetch(`${url}/api/managed-agents/${three}/files/${name}`)).arrayBuffer());
  assert.deepEqual([...(await read(named[0]))], [137, 80, 68, 70]);
  assert.equal((await read(named[1])).toString(), "some notes");

  await page.getByRole("button", { name: "Several …" }).click();
  await dialog.getByLabel("All 3").check();
  await dialog.getByRole("button", { name: "Stop" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Stop" }).click();
  for (const id of [one, two, three]) await until("it to be stopped", async () => is((await agent(id)).status, "stopped"));
});

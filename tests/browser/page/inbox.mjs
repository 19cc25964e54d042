// Questions in the inbox: who waits longest is first, each is answered in its way, and for this one occasion.
import assert from "node:assert/strict";
import { DESK, agent, answersOf, api, inBrowser, is, open, press, settled, spawnFake, tell, until } from "./kit.mjs";

await inBrowser(async (browser) => {
  const [asker, chooser] = [await spawnFake("asker"), await spawnFake("chooser")];
  await tell(asker, "do ask rm -rf build && ask again && say done");
  await until("a question", async () => is((await agent(asker)).attention !== undefined, true));
  await tell(chooser, "do choose Red|Green");
  await until("a choice", async () => is((await agent(chooser)).attention !== undefined, true));
  await spawnFake("newcomer", { args: ["--login", "https://example.com/login?code=1"] });

  const context = await browser(DESK);
  const page = await open(context, "/inbox");
  const sent = answersOf(page);
  const cards = page.locator("main .attention");
  await until("three cards", async () => is(await cards.count(), 3));
  assert.match(await cards.nth(0).innerText(), /asker[\s\S]*rm -rf build/);
  assert.match(await cards.nth(1).innerText(), /chooser/);
  const icon = () => page.locator("link[rel=icon]").getAttribute("href");
  assert.match(await icon(), /circle/, "the icon has a dot");
  await until("the title to count", async () => ((await page.title()).startsWith("(3) ") ? true : page.title()));

  // A slow answer: nothing can be sent twice meanwhile, and the next question has buttons again.
  const first = (await agent(asker)).attention.id;
  let release;
  await page.route("**/answer", async (route) => {
    await new Promise((resolve) => (release = resolve));
    await route.continue();
  });
  const yes = cards.filter({ hasText: "rm -rf build" }).getByRole("button", { name: "Yes", exact: false }).first();
  await press(yes);
  await until("the buttons to be off", async () => is(await cards.first().locator("button:not(:disabled)").count(), 0));
  await page.unroute("**/answer", { behavior: "default" }).catch(() => undefined);
  release();
  const second = cards.filter({ hasText: "again" }).filter({ hasNotText: "rm -rf" });
  await second.waitFor();
  assert.equal(sent[0].attentionId, first);
  assert.equal(sent[0].option, "yes");

  // Somebody else is quicker: the page still shows the old question when its answer goes out.
  const standing = (await agent(asker)).attention.id;
  assert.notEqual(standing, first);
  await page.route("**/answer", async (route) => {
    await api("POST", `/managed-agents/${asker}/answer`, { attentionId: standing, option: "no" });
    await until("the question to be over", async () => is((await agent(asker)).attention, undefined) === "nothing" || is((await agent(asker)).attention, undefined));
    await route.continue();
  });
  await press(second.getByRole("button", { name: "Yes", exact: false }).first());
  await page.getByText("answered by somebody else").first().waitFor();
  await page.unroute("**/answer");
  assert.equal(sent[1].attentionId, standing);

  // A digit chooses; own words go out as text.
  const choice = cards.filter({ hasText: "chooser" });
  await choice.focus();
  await settled(choice.locator("[data-option='2']"));
  await page.keyboard.press("2");
  await until("the choice to be made", async () => is((await api("GET", `/managed-agents/${chooser}/messages`)).messages.at(-1).content, "chose Green"));
  const login = cards.filter({ hasText: "newcomer" });
  await login.getByLabel("Code").fill("let-me-in");
  await login.getByRole("button", { name: "Send code" }).click();
  await page.getByText("Nobody waits for you.").waitFor();
  await until("the title to be quiet", async () => is(await page.title(), "Parallax"));
  assert.doesNotMatch(await icon(), /circle/);
});

// A click answers the question that it was aimed at: not the one that slid there, nor the one that came in its place.
import assert from "node:assert/strict";
import { DESK, agent, answersOf, api, inBrowser, is, open, settled, spawnFake, tell, until } from "./kit.mjs";

const asks = async (id, what) => {
  await tell(id, what);
  await until("a question", async () => is((await agent(id)).attention !== undefined, true));
  return (await agent(id)).attention;
};
/** Answered by somebody else, who looks elsewhere. */
const answeredElsewhere = (id, { id: attentionId }) => api("POST", `/managed-agents/${id}/answer`, { attentionId, option: "yes" });

await inBrowser(async (browser) => {
  const [upper, lower] = [await spawnFake("upper"), await spawnFake("lower")];
  const first = await asks(upper, "do ask the upper one && say done");
  const second = await asks(lower, "do ask the lower one && say done");
  const context = await browser(DESK);
  const page = await open(context, "/inbox");
  const sent = answersOf(page);
  const cards = page.locator("main .attention");
  const yes = (card) => card.locator("[data-option='1']");
  /** What a person aims at. */
  const middle = async (element) => {
    const { x, y, width, height } = await element.boundingBox();
    return [x + width / 2, y + height / 2];
  };
  /** Waits, within the page, until an option stands there whose card says so: at once, before a hand could be held back. */
  const comesUnder = (tab, [x, y], words) =>
    tab.evaluate(
      ([x, y, words]) =>
        new Promise((come) => {
          const look = () => (document.elementFromPoint(x, y)?.closest("[data-option='1']")?.closest(".attention").textContent.includes(words) ? come() : requestAnimationFrame(look));
          look();
        }),
      [x, y, words],
    );
  const isOff = (tab, [x, y]) => tab.evaluate(([x, y]) => document.elementFromPoint(x, y)?.closest("[data-option]")?.ariaDisabled, [x, y]);

  // The upper card goes, the lower one slides under the pointer, and the click comes.
  await until("two cards", async () => is(await cards.count(), 2));
  assert.match(await cards.first().innerText(), /the upper one/);
  await settled(yes(cards.first()));
  const aim = await middle(yes(cards.first()));
  await page.mouse.move(...aim);
  await answeredElsewhere(upper, first);
  await comesUnder(page, aim, "the lower one");
  await page.mouse.click(...aim);
  assert.equal(await isOff(page, aim), "true", "it shows that it takes no click yet");
  await until("it to take clicks", async () => (await isOff(page, aim)) !== "true");
  assert.deepEqual(sent, [], "the click was meant for the other");
  assert.equal((await agent(lower)).attention.id, second.id);
  // It has stood there for a while: this click is for it.
  await page.mouse.click(...aim);
  await page.getByText("Nobody waits for you.").waitFor();
  assert.deepEqual(sent, [{ attentionId: second.id, option: "yes" }]);

  // A digit is no other thing.
  await until("it to be done", async () => is((await agent(lower)).status, "ready"));
  await tell(lower, "do ask by a digit && say done");
  await cards.waitFor();
  await cards.focus();
  await page.keyboard.press("1");
  assert.equal(sent.length, 1, "it had just come");
  await settled(yes(cards));
  await page.keyboard.press("1");
  await page.getByText("Nobody waits for you.").waitFor();
  assert.equal(sent.length, 2);
  await page.close();

  // On the agent's page the next question has its buttons where those of the last one were: it is not answered by a click that was for
  // that, nor by the second half of a double click.
  await until("it to be done", async () => is((await agent(upper)).status, "ready"));
  const one = await asks(upper, "do ask the first thing && ask the other thing && ask the third thing && say done");
  const own = await open(context, `/agents/${upper}`);
  const answers = answersOf(own);
  const card = own.locator(".attention");
  await settled(yes(card));
  const spot = await middle(yes(card));
  await own.mouse.move(...spot);
  await answeredElsewhere(upper, one);
  await comesUnder(own, spot, "the other thing");
  await own.mouse.click(...spot);
  assert.equal(await isOff(own, spot), "true");
  assert.deepEqual(answers, []);
  const two = (await agent(upper)).attention;
  assert.match(two.text, /the other thing/);
  await settled(yes(card));
  await own.mouse.click(...spot);
  await comesUnder(own, spot, "the third thing");
  await own.mouse.click(...spot);
  await until("to be sure", async () => (await isOff(own, spot)) !== "true");
  assert.deepEqual(answers.map(({ attentionId }) => attentionId), [two.id]);
  assert.match((await agent(upper)).attention.text, /the third thing/);
  await api("POST", `/managed-agents/${upper}/answer`, { attentionId: (await agent(upper)).attention.id, option: "no" });
});

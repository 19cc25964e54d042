// A connection that is dead says nothing, not even that. Where there is reason to doubt it, another one resumes where it was.
import assert from "node:assert/strict";
import { DESK, inBrowser, is, spawnFake, until, url } from "./kit.mjs";

await inBrowser(async (browser) => {
  const context = await browser(DESK);
  const page = await context.newPage();
  const opened = [];
  let isDead = false;
  await page.routeWebSocket(/\/api\/managed-agents\/events/, (socket) => {
    // Who dies stays dead; what is opened after that is well.
    const own = { address: new URL(socket.url()), isDead: false };
    opened.push(own);
    isDead = false;
    socket.connectToServer().onMessage((message) => {
      if (isDead && own === opened.at(-1)) own.isDead = true;
      if (!own.isDead) socket.send(message);
    });
  });
  await page.goto(`${url}/#/inbox`);
  await page.locator(".connection.live").waitFor();
  const row = (name) => page.locator(".agent-row", { hasText: name });
  await spawnFake("heard-of");
  await row("heard-of").waitFor();
  assert.equal(opened.length, 1);
  /** Something happens that the page does not hear of, though all seems well. */
  const unheard = async (name) => {
    isDead = true;
    await spawnFake(name);
    assert.equal(await row(name).count(), 0);
    assert.equal(await page.locator(".connection.live").count(), 1);
  };
  const resumes = async (name, count) => {
    await row(name).waitFor();
    await page.locator(".connection.live").waitFor();
    await until("one more connection", () => is(opened.length, count));
    assert.ok(opened.at(-1).address.searchParams.has("since"), "it resumes");
  };

  await unheard("network-back");
  await page.evaluate(() => window.dispatchEvent(new Event("online")));
  await resumes("network-back", 2);

  await unheard("no-runtimes");
  await page.route(/\/api\/runtimes$/, (route) => route.abort(), { times: 2 });
  await resumes("no-runtimes", 3);

  // Looked away from for a moment, it is trusted; for half a minute, it is not.
  const lookAway = (ms) =>
    page.evaluate((ms) => {
      const turn = (visibilityState) => {
        Object.defineProperty(document, "visibilityState", { configurable: true, value: visibilityState });
        document.dispatchEvent(new Event("visibilitychange"));
      };
      const { now } = Date;
      turn("hidden");
      Date.now = () => now() + ms;
      turn("visible");
      Date.now = now;
    }, ms);
  await unheard("slept");
  await lookAway(5_000);
  assert.equal(await page.locator(".connection.live").count(), 1);
  await lookAway(31_000);
  await resumes("slept", 4);
});

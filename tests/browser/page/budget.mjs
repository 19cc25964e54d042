// What a first visit costs: bytes, requests, time at work and jumps of what is shown, held against budgets. A second visit loads nothing anew.
import assert from "node:assert/strict";
import { DESK, PHONE, inBrowser, is, spawnFake, tell, until, url } from "./kit.mjs";

/** Of a first visit to the overview with an agent that asks, without terminal. */
const MOST = {
  /** As they came over the wire, with headers. */
  bytes: 250 * 1024,
  /** Document, scripts, styles, manifest. */
  files: 10,
  /** With the questions to the API. */
  requests: 20,
  /** Shift of the layout, as browsers count it: above 0.1 it is seen. */
  shift: 0.1,
  /** The longest that the page is at work without a break, in milliseconds: this machine may be busy. */
  blocked: 1500,
};
/** What comes only when it is needed. */
const LATER = /\/(terminal|terminal-pane|xterm|org-chart|chart|player|palette)-[^/]*\.js$/;

await inBrowser(async (browser) => {
  const id = await spawnFake("asker");
  await tell(id, "do ask about it");
  const seen = {};
  for (const [screen, kind] of [["desk", DESK], ["phone", PHONE]]) {
    const context = await browser(kind);
    const first = await visit(context);
    console.log(JSON.stringify({ screen, ...first, addresses: undefined }));
    for (const [what, most] of Object.entries(MOST)) assert.ok(first[what] <= most, `${screen}: ${what} ${first[what]} of ${most}\n${first.addresses.join("\n")}`);
    assert.deepEqual(first.addresses.filter((address) => LATER.test(address)), [], screen);
    // Names of files have what is in them: a second visit has them already, and asks for the document alone.
    const second = await visit(context);
    assert.ok(second.bytes < first.bytes / 4, `${screen}: a second visit took ${second.bytes} bytes`);
    seen[screen] = first;
    await context.close();
  }
  // Compressed, and known again by what they hold.
  for (const address of seen.desk.addresses.filter((address) => /\.(js|css)$/.test(address))) {
    const asked = async (more) => {
      const response = await fetch(address, { headers: { "accept-encoding": "gzip", ...more } });
      // What is not read keeps its connection.
      await response.arrayBuffer();
      return response;
    };
    const { headers, status } = await asked({});
    assert.deepEqual([status, headers.get("content-encoding")], [200, "gzip"], address);
    assert.equal((await asked({ "if-none-match": headers.get("etag") })).status, 304, address);
  }
});

/** Opens the page until it shows what waits; what came over the wire until then, and how the page was. */
async function visit(context) {
  const page = await context.newPage();
  const client = await context.newCDPSession(page);
  await client.send("Network.enable");
  const addresses = [];
  const sizes = [];
  const underway = new Set();
  client.on("Network.requestWillBeSent", ({ request, requestId }) => {
    if (!request.url.startsWith("http")) return;
    addresses.push(request.url);
    underway.add(requestId);
  });
  client.on("Network.loadingFinished", ({ encodedDataLength, requestId }) => underway.delete(requestId) && sizes.push(encodedDataLength));
  client.on("Network.loadingFailed", ({ requestId }) => underway.delete(requestId));
  await page.addInitScript(() => {
    window.shift = 0;
    window.blocked = 0;
    const watch = (type, take) => new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
    watch("layout-shift", ({ value, hadRecentInput }) => (window.shift += hadRecentInput ? 0 : value));
    watch("longtask", ({ duration }) => (window.blocked = Math.max(window.blocked, duration)));
  });
  await page.goto(`${url}/`);
  await page.locator(".connection.live").waitFor();
  await page.locator(".agent-row").waitFor();
  await page.locator(".agent-row .needs").waitFor();
  await until("all that was asked for to be there", () => is(underway.size, 0));
  const { shift, blocked } = await page.evaluate(() => ({ shift: window.shift, blocked: window.blocked }));
  await page.close();
  return {
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    files: addresses.filter((address) => !address.includes("/api/")).length,
    requests: addresses.length,
    shift,
    blocked,
    addresses,
  };
}

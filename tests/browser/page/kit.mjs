// What the scripts of the page are made of: a browser, the API, waiting for what happens.
//
//   node SCRIPT MODULES URL
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

export const [modules, url] = process.argv.slice(2);
export const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");

export const DESK = { viewport: { width: 1440, height: 900 } };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

/** Runs `play` with a function that opens a browser context for a kind of screen. An error on any page fails it. */
export async function inBrowser(play) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  const errors = [];
  try {
    await play(async (screen, options = {}) => {
      const context = await browser.newContext({ ...screen, ...options });
      context.setDefaultTimeout(20_000);
      context.on("weberror", (error) => errors.push(String(error.error())));
      // What the policy of the page refuses would be a mistake of the page.
      context.on("console", (message) => {
        if (message.type() === "error" && /Content Security Policy/.test(message.text())) errors.push(message.text());
      });
      return context;
    });
  } finally {
    await browser.close();
  }
  assert.deepEqual(errors, [], "errors on the pages");
  process.stdin.destroy();
}

/** Opens an address of the page (what stands behind the #). */
export async function open(context, address = "/") {
  const page = await context.newPage();
  await page.goto(`${url}/#${address}`);
  return page;
}

/** Asks the API. */
export async function api(method, path, body, token) {
  const response = await fetch(`${url}/api${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
  return response.status === 204 ? undefined : response.json();
}

/** A fake agent that is ready. */
export async function spawnFake(name, more = {}) {
  const { id } = await api("POST", "/managed-agents", { name, type: "fake", ...more });
  if (more.args === undefined) await until(`${name} to be ready`, async () => is((await agent(id)).status, "ready"));
  return id;
}

export const agent = (id) => api("GET", `/managed-agents/${id}`);
export const tell = (id, message) => api("POST", `/managed-agents/${id}/send`, { message });
export const screenOf = (id) => api("GET", `/managed-agents/${id}/screen`);

/** What the page answers to questions, as it is sent. */
export function answersOf(page) {
  const sent = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/answer")) sent.push(request.postDataJSON());
  });
  return sent;
}

/** True, or what is there in its place. */
export const is = (seen, wanted) => (seen === wanted ? true : seen ?? "nothing");

/** Waits for `look` to be true; fails with what it saw last. */
export async function until(what, look, patienceMs = 20_000) {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const seen = await look();
    if (seen === true) return;
    assert.ok(Date.now() < deadline, `waited in vain for ${what}; last seen: ${JSON.stringify(seen, null, 1)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Counts the events of the server and remembers on which row of the list each click came, in `window.events` and `window.clicked`. */
export async function watchClicks(page) {
  await page.evaluate((path) => {
    window.events = 0;
    const socket = new WebSocket(`ws://${location.host}${path}`);
    socket.onmessage = () => (window.events += 1);
    window.clicked = [];
    document.addEventListener("click", ({ target }) => window.clicked.push(target.closest(".agent-row")?.querySelector(".agent-name").textContent ?? null), true);
  }, "/api/managed-agents/events");
}

/** How many events came since [`watchClicks`]. */
export const eventsSeen = (page) => page.evaluate(() => window.events);

/** Presses what is there as a person does, who holds the button for a while; gives the agent whose row it was, and nothing where there is none. */
export async function pressRow(page, x, y, heldMs) {
  await page.mouse.move(x, y);
  const name = await page.evaluate(([x, y]) => document.elementFromPoint(x, y)?.closest(".agent-row")?.querySelector(".agent-name").textContent, [x, y]);
  if (name === undefined) return undefined; // the head of a group
  await page.mouse.down();
  await new Promise((resolve) => setTimeout(resolve, heldMs));
  await page.mouse.up();
  return name;
}

/** Waits until a button has stood still for long enough to take clicks. */
export const settled = (button) => button.and(button.page().locator(":not([aria-disabled])")).waitFor();

/** Presses a button that does nothing until it has stood still for a while: as a person does, who has scrolled to it and read. */
export async function press(button, how = "click") {
  await button.scrollIntoViewIfNeeded();
  await settled(button);
  await button[how]();
}

/** Pastes or drops files onto an element. */
export const giveFiles = (element, kind, files) =>
  element.evaluate(
    (target, { kind, files }) => {
      const transfer = new DataTransfer();
      for (const { name, type, bytes } of files) transfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
      const options = { bubbles: true, cancelable: true };
      target.dispatchEvent(kind === "paste" ? new ClipboardEvent("paste", { ...options, clipboardData: transfer }) : new DragEvent("drop", { ...options, dataTransfer: transfer }));
    },
    { kind, files },
  );

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks the other side to do something, and waits for it. */
export async function demand(what) {
  console.log(what);
  await answers.next();
}

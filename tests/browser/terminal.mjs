// The example page in a browser: types, is painted, comes late, resizes. Fails with what it waited for.
//
//   node terminal.mjs MODULES PAGE_URL RUNTIME_URL AGENT_ID
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [modules, pageUrl, runtimeUrl, agentId] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)("playwright-core");

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
try {
  const early = await open();
  await shows(early, "❯");
  await early.keyboard.type("typed in a browser");
  await shows(early, "❯ typed in a browser");
  await early.keyboard.press("Enter");
  await shows(early, "* echo: typed in a browser");
  await shows(early, "ready");

  const late = await open();
  await shows(late, "* echo: typed in a browser");
  await until("a late viewer to see the same screen", async () => {
    const [one, two] = [await screen(early), await screen(late)];
    return JSON.stringify(one) === JSON.stringify(two) ? true : { one, two };
  });

  await late.evaluate(() => terminal.resize(100, 30));
  await until("the resize to arrive", async () => {
    const { size } = await (await fetch(`${runtimeUrl}/api/agents/${agentId}/screen`)).json();
    return size.cols === 100 && size.rows === 30 ? true : size;
  });
  await late.keyboard.type("do size");
  await late.keyboard.press("Enter");
  await shows(late, "* 100x30");
  console.log("the page works");
} finally {
  await browser.close();
}

async function open() {
  const page = await browser.newPage();
  page.on("pageerror", (error) => assert.fail(`the page failed: ${error}`));
  await page.goto(`${pageUrl}?runtime=${new URL(runtimeUrl).host}&agent=${agentId}`);
  await page.locator(".xterm-helper-textarea").focus();
  return page;
}

// The rows that xterm.js shows, as text. A blank that was written looks like one that was not.
function screen(page) {
  return page.evaluate(() => {
    const buffer = terminal.buffer.active;
    const row = (index) => buffer.getLine(buffer.viewportY + index).translateToString().trimEnd();
    return Array.from({ length: terminal.rows }, (_, index) => row(index));
  });
}

async function shows(page, text) {
  await until(`the page to show \`${text}\``, async () => {
    const lines = await screen(page);
    return lines.some((line) => line.includes(text)) ? true : lines;
  });
}

async function until(what, look) {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const seen = await look();
    if (seen === true) return;
    assert.ok(Date.now() < deadline, `waited in vain for ${what}; last seen: ${JSON.stringify(seen, null, 1)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

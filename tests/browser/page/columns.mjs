// Boxes around emoji and other wide characters: their sides stand below each other, as the program meant them.
import assert from "node:assert/strict";
import { PHONE, inBrowser, open, screenOf, spawnFake, tell, until } from "./kit.mjs";

const ROWS = [
  "┌─────────┬────────┐",
  "│ xx done │ xx pkg │",
  "│ ✅ done │ 📦 pkg │",
  "│ 漢 done │ 字 pkg │",
  "│ 👍🏽 done │ 👩‍👩‍👧 pkg │",
  "│ 🇩🇪 done │ ❤️ pkg │",
  "│ 각 done │ ⚠️ pkg │",
  "│ é━ done │ ✳❯ pkg │",
  "└─────────┴────────┘",
];

await inBrowser(async (browser) => {
  const id = await spawnFake("boxes");
  await tell(id, ROWS.map((row) => `print ${row}`).join(" && ").replace(/^/, "do "));
  await until("the boxes", async () => (await screenOf(id)).lines.some((line) => line.includes("└─────────┴────────┘")) || (await screenOf(id)).lines);
  // At a desk it is drawn on a canvas, cell by cell; this one is made of text.
  const page = await open(await browser(PHONE), `/agents/${id}?view=terminal`);
  await page.locator(".xterm-rows", { hasText: ROWS.at(-1) }).waitFor();
  // Where the characters that make the sides are, in the last rows that have them, in pixels.
  const sides = await page.evaluate(() =>
    [...document.querySelectorAll(".xterm-rows > div")]
      .map((row) => {
        const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
        const found = [];
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
          for (const { index } of node.data.matchAll(/[│┌┬┐└┴┘]/gu)) {
            const range = document.createRange();
            range.setStart(node, index);
            range.setEnd(node, index + 1);
            found.push(range.getBoundingClientRect().left);
          }
        }
        return { text: row.textContent, found };
      })
      .filter(({ found }) => found.length === 3)
      .slice(-9),
  );
  assert.equal(sides.length, ROWS.length, JSON.stringify(sides));
  for (const { text, found } of sides) {
    const off = found.map((left, side) => Math.abs(left - sides[0].found[side]));
    assert.ok(Math.max(...off) < 1, `${text} is off by ${off} pixels`);
  }
});

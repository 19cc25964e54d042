// What a first visit loads, held against a budget: a page that grows slowly is noticed by nobody else.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** Compressed, before the terminal. */
const MAX_BYTES = 250 * 1024;
/** The document, scripts, styles and what else is asked for before something is shown. */
const MAX_REQUESTS = 10;

const dist = new URL("../dist/", import.meta.url);
const read = (name) => readFileSync(new URL(name, dist));
const seen = new Map();
const visit = (name) => {
  if (seen.has(name)) return;
  const bytes = read(name);
  seen.set(name, gzipSync(bytes, { level: 9 }).length);
  if (!/\.js$/.test(name)) return;
  // What a script imports at once; `import(…)` comes later.
  for (const [, from] of bytes.toString().matchAll(/(?:^|[;}\s])(?:import|export)\s*(?:[^"'();]*?from\s*)?["']\.\/([^"']+)["']/g)) visit(`assets/${from}`);
};
visit("index.html");
for (const [, address] of read("index.html").toString().matchAll(/(?:src|href)="\/([^"]+\.(?:js|css|webmanifest))"/g)) visit(address);

const total = [...seen.values()].reduce((sum, bytes) => sum + bytes, 0);
for (const [name, bytes] of seen) console.log(`${String(bytes).padStart(8)}  ${name}`);
console.log(`${String(total).padStart(8)}  of ${MAX_BYTES}, in ${seen.size} of ${MAX_REQUESTS} requests`);
if (total > MAX_BYTES || seen.size > MAX_REQUESTS) {
  console.error("The page loads more than it may before it shows something: load what is seldom needed with import().");
  process.exit(1);
}

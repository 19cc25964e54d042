// Makes src/api/schema.ts from the description of a running control plane:
//
//   npm run api -- http://127.0.0.1:3000
//
// openapi-typescript wants an older TypeScript than the page is checked with, so both are fetched for this alone.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const server = process.argv[2] ?? "http://127.0.0.1:3000";
const description = await (await fetch(`${server}/api/openapi.json`)).json();
// The page names its own calls; what it takes from the description are the types.
description.paths = {};
const folder = mkdtempSync(join(tmpdir(), "parallax-api-"));
try {
  const file = join(folder, "openapi.json");
  writeFileSync(file, JSON.stringify(description));
  execFileSync(
    "npx",
    ["--yes", "-p", "openapi-typescript@7", "-p", "typescript@5", "openapi-typescript", file, "-o", "src/api/schema.ts"],
    { stdio: "inherit" },
  );
} finally {
  rmSync(folder, { recursive: true });
}

// Builds the page into dist/, which the control plane embeds.
import { build } from "esbuild";
import { copyFile, mkdir, readdir, rm } from "node:fs/promises";

const dist = new URL("dist/", import.meta.url);
const assets = new URL("assets/", dist);

// dist/ itself stays: it is in the repository (empty), so that the Rust build works without this one.
for (const name of await readdir(dist)) {
  if (name !== ".gitkeep") await rm(new URL(name, dist), { recursive: true });
}
await mkdir(assets, { recursive: true });

await build({
  entryPoints: ["src/main.ts", "src/style.css"],
  outdir: "dist/assets",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "linked",
});
await copyFile("src/index.html", new URL("index.html", dist));

// xterm as a classic script, for pages such as examples/terminal.html.
await copyFile("node_modules/@xterm/xterm/lib/xterm.js", new URL("xterm.js", assets));
await copyFile("node_modules/@xterm/xterm/css/xterm.css", new URL("xterm.css", assets));

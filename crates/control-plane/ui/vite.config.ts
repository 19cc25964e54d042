// Builds the page into dist/, which the control plane embeds.
import { readFile, readdir, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { type Plugin, defineConfig } from "vite";

export default defineConfig({
  plugins: [react(), classicXterm(), compressed()],
  build: {
    target: "es2022",
    // The policy of the page allows no inline scripts and styles from elsewhere.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: "index.html", sw: "src/service-worker/sw.ts" },
      // The browser knows a service worker by its address.
      output: { entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
    license: { fileName: "assets/licenses.md" },
  },
});

/** xterm.js as a classic script under a fixed name, for pages such as examples/terminal.html. */
function classicXterm(): Plugin {
  return {
    name: "classic-xterm",
    apply: "build",
    async generateBundle() {
      for (const [fileName, from] of [
        ["assets/xterm.js", "node_modules/@xterm/xterm/lib/xterm.js"],
        ["assets/xterm.css", "node_modules/@xterm/xterm/css/xterm.css"],
      ] as const)
        this.emitFile({ type: "asset", fileName, source: await readFile(from) });
      // dist/ itself is in the repository (empty), so that the Rust build works without this one.
      this.emitFile({ type: "asset", fileName: ".gitkeep", source: "" });
    },
  };
}

/** Puts NAME.gz beside every text file: the server sends what was compressed here. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    async writeBundle({ dir }) {
      for (const file of await readdir(dir!, { recursive: true, withFileTypes: true })) {
        if (!file.isFile() || !/\.(js|css|html|md|svg|webmanifest)$/.test(file.name)) continue;
        const path = `${file.parentPath}/${file.name}`;
        await writeFile(`${path}.gz`, gzipSync(await readFile(path), { level: 9 }));
      }
    },
  };
}

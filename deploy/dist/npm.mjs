// Makes the npm packages: npm.mjs VERSION OUT TARGET=ARCH=TREE …
//
// One package for each platform, with the programs, and one that people install, which has the platforms' as optional dependencies: npm
// installs the one that fits. No script runs at the installation.
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [version, out, ...trees] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const name = "parallax-agent-runtimes";
const shared = {
  version,
  license: "Apache-2.0",
  description: "Spawns and manages CLI-based AI agents (Claude Code, Codex CLI, Gemini CLI) behind one REST API",
};

const work = mkdtempSync(join(tmpdir(), "parallax-npm-"));
try {
  const platforms = trees.map((text) => {
    const [target, arch, tree] = text.split("=");
    return { os: target.split("-").find((word) => ["linux", "darwin"].includes(word)), arch, tree };
  });
  for (const { os, arch, tree } of platforms) {
    const dir = join(work, `${name}-${os}-${arch}`);
    mkdirSync(dir);
    for (const part of ["bin", "share/parallax"]) cpSync(join(tree, part), join(dir, part), { recursive: true });
    write(dir, {
      ...shared,
      name: `${name}-${os}-${arch}`,
      description: `The programs of ${name} for ${os} on ${arch}`,
      os: [os],
      cpu: [arch],
      libc: os === "linux" ? ["glibc"] : undefined,
      preferUnplugged: true,
      files: ["bin", "share"],
    });
  }

  // Hosts for other machines are no commands.
  const programs = readdirSync(join(platforms[0].tree, "bin")).filter((file) => !file.startsWith("parallax-agent-host-"));
  const dir = join(work, name);
  mkdirSync(join(dir, "bin"), { recursive: true });
  cpSync(join(here, "npm/launch.js"), join(dir, "launch.js"));
  cpSync(join(here, "npm/README.md"), join(dir, "README.md"));
  cpSync(join(platforms[0].tree, "share/man/man1"), join(dir, "man"), { recursive: true });
  for (const program of programs) {
    const file = join(dir, "bin", `${program}.js`);
    writeFileSync(file, `#!/usr/bin/env node\n"use strict";\nrequire("../launch.js")("${program}");\n`);
    chmodSync(file, 0o755);
  }
  write(dir, {
    ...shared,
    name,
    bin: Object.fromEntries(programs.map((program) => [program, `bin/${program}.js`])),
    man: readdirSync(join(dir, "man")).map((page) => `man/${page}`),
    files: ["bin", "launch.js", "man"],
    engines: { node: ">=18" },
    os: [...new Set(platforms.map(({ os }) => os))],
    optionalDependencies: Object.fromEntries(platforms.map(({ os, arch }) => [`${name}-${os}-${arch}`, version])),
  });
} finally {
  rmSync(work, { recursive: true });
}

function write(dir, manifest) {
  cpSync(join(here, "../../LICENSE"), join(dir, "LICENSE"));
  writeFileSync(join(dir, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", out], { cwd: dir, stdio: ["ignore", "ignore", "inherit"] });
}

// Runs a program of the package for this platform, as if it had been started itself.
"use strict";

const { spawn } = require("node:child_process");
const { constants } = require("node:os");
const { dirname, join } = require("node:path");

const { name, version } = require("./package.json");

function find(program) {
  const platform = `${name}-${process.platform}-${process.arch}`;
  let manifest;
  try {
    manifest = require.resolve(`${platform}/package.json`);
  } catch {
    throw new Error(
      `the package ${platform} is not installed. It is an optional dependency of ${name}: install it without --omit=optional, or, ` +
        `from files, together with ${platform}-${version}.tgz. There are packages for ${Object.keys(
          require("./package.json").optionalDependencies,
        ).join(", ")}`,
    );
  }
  const found = require(manifest).version;
  if (found !== version) throw new Error(`${platform} is ${found}, ${name} is ${version}: install the same of both`);
  return join(dirname(manifest), "bin", program);
}

module.exports = (program) => {
  let file;
  try {
    file = find(program);
  } catch (error) {
    console.error(`${program}: ${error.message}`);
    process.exit(1);
  }
  const args = process.argv.slice(2);
  // In the place of this process, where Node.js can do that.
  if (typeof process.execve === "function") {
    try {
      process.execve(file, [program, ...args], process.env);
    } catch {
      // Then beside it.
    }
  }
  const child = spawn(file, args, { stdio: "inherit", argv0: program });
  child.on("error", (error) => {
    console.error(`${program}: ${file} cannot be run: ${error.message}`);
    process.exit(1);
  });
  // What a terminal sends reaches the program by itself, and a second time would mean "at once".
  const isTyped = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ["SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      if (!(isTyped && (signal === "SIGINT" || signal === "SIGQUIT"))) child.kill(signal);
    });
  }
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
};

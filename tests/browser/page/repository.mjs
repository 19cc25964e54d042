// A git repository for agents of a test to work in.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

/** One with a first commit, below `directory`. `fill` writes what is in that commit. */
export function repositoryIn(directory, fill = () => {}) {
  const path = mkdtempSync(join(directory, "repository-"));
  const git = (...args) => execFileSync("git", ["-C", path, "-c", "user.name=t", "-c", "user.email=t@example.com", ...args]);
  git("init", "--quiet", "--initial-branch=main");
  fill(path);
  git("add", ".");
  git("commit", "--quiet", "--allow-empty", "--message", "begin");
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

// Files and pictures for an agent: they are put into its working directory, and the message or the terminal names them.

import { ask } from "../../api/client";
import type { Agent, Runtime } from "../../api/types";
import { askForRuntimes } from "../../server-state/runtimes";
import { keys, store } from "../../server-state/store";
import { isPlain, shown } from "../../ui/plain";
import { attempt, toast } from "../../ui/toasts";

/** The largest file that the server takes, in bytes. */
export const MAX_FILE = 8 * 1024 * 1024;
/** Files at once at most. */
export const MAX_FILES = 10;

/** A name that no file of the directory has by chance: a file of the same name would be replaced. */
export function nameFor(file: { name: string; type: string }, now: Date): string {
  const stamp = now.toISOString().replace(/\D/g, "").slice(0, 17);
  const safe = file.name.normalize("NFC").replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[.-]+/, "").slice(-80);
  const fallback = `picture.${file.type.split("/")[1]?.replace(/[^a-z0-9]/g, "") || "bin"}`;
  return `attached-${stamp}-${safe || fallback}`;
}

/** Sends a file, and says where it is. */
export async function attach(agent: Agent, file: File): Promise<string> {
  if (file.size > MAX_FILE) throw new Error(`${file.name} is larger than 8 MiB.`);
  const name = nameFor(file, new Date());
  // First: what is sent can be named.
  const runtimes = await store.ensureQueryData({ queryKey: keys.runtimes, queryFn: askForRuntimes });
  await ask("PUT", `/api/managed-agents/${encodeURIComponent(agent.id)}/files/${encodeURIComponent(name)}`, file, { type: "application/octet-stream" });
  return pathOf(agent, runtimes.find((runtime) => runtime.name === agent.runtime)?.kind, name);
}

/**
 * What the agent calls a file of its working directory. In containers and pods that directory stands elsewhere than `workdir` says (a
 * directory of the machine, a volume, a claim), so there the name is the one in it.
 */
export function pathOf({ workdir }: Agent, kind: Runtime["kind"] | undefined, name: string): string {
  return kind === "local" && workdir ? `${workdir.replace(/\/$/, "")}/${name}` : name;
}

/** Sends files, at most [`MAX_FILES`], one after the other; what is refused is said. `named` hears where each is; what it fails with is said, too. */
export async function attachAll(agent: Agent, files: readonly File[], named: (path: string) => void | Promise<void>): Promise<void> {
  if (files.length > MAX_FILES) toast(`${MAX_FILES} files at once: the others were left out.`, "error");
  for (const file of files.slice(0, MAX_FILES)) await attempt(async () => await named(await attach(agent, file)));
}

/** A path as a terminal types one that is dropped there: a space would end it. Fails for one with characters that are keys there: a line break is Enter. */
export function asTyped(path: string): string {
  if (!isPlain(path)) throw new Error(`The file is in the agent's working directory, as ${shown(path)}. That has characters in it that control or cannot be seen, so it was not typed.`);
  return path.replace(/[^\p{L}\p{N}_./@%+=:,~-]/gu, "\\$&");
}

/** What a terminal is once a file was sent, which takes time. */
export interface Taker {
  /** Whether it is the one that the file was given to. */
  isSame: boolean;
  isConnected: boolean;
  status: Agent["status"];
  /** Whether the agent shows a dialog: what is typed would answer it. */
  asks: boolean;
}

/** Why a path is not typed into a terminal; undefined when it is. */
export function whyNotTyped({ isSame, isConnected, status, asks }: Taker): string | undefined {
  if (!isSame) return "the terminal that it was for is closed";
  if (!isConnected) return "the terminal is not connected any more";
  if (status === "stopped" || status === "starting") return "the agent's program is not there now";
  return asks ? "the agent asks something by now, and that would answer it" : undefined;
}

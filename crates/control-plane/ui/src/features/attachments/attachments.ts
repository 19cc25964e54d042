// Files and pictures for an agent: they are put into its working directory, and the message or the terminal names them.

import { ask } from "../../api/client";
import type { Agent } from "../../api/types";
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
  await ask("PUT", `/api/managed-agents/${encodeURIComponent(agent.id)}/files/${encodeURIComponent(name)}`, file, "application/octet-stream");
  return agent.workdir ? `${agent.workdir.replace(/\/$/, "")}/${name}` : name;
}

/** Sends files, at most [`MAX_FILES`], one after the other; what is refused is said. `named` hears where each is. */
export async function attachAll(agent: Agent, files: readonly File[], named: (path: string) => void): Promise<void> {
  if (files.length > MAX_FILES) toast(`${MAX_FILES} files at once: the others were left out.`, "error");
  for (const file of files.slice(0, MAX_FILES)) await attempt(async () => named(await attach(agent, file)));
}

/** A path as a terminal types one that is dropped there: a space would end it. */
export const asTyped = (path: string): string => path.replace(/[^\p{L}\p{N}_./@%+=:,~-]/gu, "\\$&");

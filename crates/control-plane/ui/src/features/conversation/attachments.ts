// Files and pictures for an agent: they are put into its working directory, and the message names them.

import { ask } from "../../api/client";
import type { Agent } from "../../api/types";

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

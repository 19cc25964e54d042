// Search over what agents were told, said and showed.

import { call } from "./client";
import type { Hits } from "./types";

export function search(q: string, kind: string | undefined, before: number | undefined): Promise<Hits> {
  const query = new URLSearchParams({ q });
  if (kind) query.set("kind", kind);
  if (before !== undefined) query.set("before", String(before));
  return call("GET", `/api/search?${query.toString()}`);
}

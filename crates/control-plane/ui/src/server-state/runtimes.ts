// The runtimes and how they are.

import { useQuery } from "@tanstack/react-query";
import { listRuntimes } from "../api/agents";
import type { Runtime } from "../api/types";
import { keys, store } from "./store";

/** How often they are asked for, in milliseconds: their health is no event. */
const ASK_MS = 4000;

const healths = (runtimes: readonly Runtime[]): string => runtimes.map(({ name, healthy }) => `${name}=${healthy}`).join();

/** Asks for the runtimes. When one went or came back, its agents look different too. */
export async function askForRuntimes(): Promise<Runtime[]> {
  const before = store.getQueryData<Runtime[]>(keys.runtimes);
  const runtimes = await listRuntimes();
  if (before && healths(before) !== healths(runtimes)) void store.invalidateQueries({ queryKey: keys.agents });
  return runtimes;
}

export const useRuntimes = () =>
  useQuery({ queryKey: keys.runtimes, queryFn: askForRuntimes, refetchInterval: ASK_MS, retry: false });

/** An agent type, whether some runtime can run it, and else why none can. */
export interface KnownType {
  name: string;
  available: boolean;
  reason: string | undefined;
}

/** Every type that some runtime knows. */
export function typesOf(runtimes: readonly Runtime[]): KnownType[] {
  const types = new Map<string, KnownType>();
  for (const runtime of runtimes)
    for (const { name, available, reason } of runtime.types) {
      const known = types.get(name);
      if (!known?.available) types.set(name, { name, available, reason: reason ?? known?.reason });
    }
  return [...types.values()];
}

// Whether the event stream stands.

import { useSyncExternalStore } from "react";

export type Connection = "connecting" | "live" | "lost";

let state: Connection = "connecting";
let since = new Date();
const listeners = new Set<() => void>();

export function setConnection(next: Connection): void {
  if (state === next) return;
  state = next;
  since = new Date();
  for (const listener of listeners) listener();
}

export function useConnection(): Connection {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}

/** Since when it has been as it is. */
export const connectionSince = (): Date => since;

/** Whether what is shown may be old: nobody says any more what is. */
export const useIsOld = (): boolean => useConnection() === "lost";

// When a connection that seems to stand may be dead: a phone slept, the network is another one, the server does not answer. Nothing comes on it
// then, and nothing says so.

import { keys, store } from "./store";

/** So long the page may have been hidden, in milliseconds, without its connection being doubted. */
const HIDDEN_MS = 30_000;
/** So often in a row the runtimes, which are asked for all the time, may not be had. */
const FAILURES = 2;

/** Calls when there is reason to doubt. */
export function onDoubt(doubt: () => void): void {
  window.addEventListener("online", doubt);
  let hiddenAt = document.visibilityState === "hidden" ? Date.now() : Infinity;
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") hiddenAt = Date.now();
    else if (Date.now() - hiddenAt > HIDDEN_MS) doubt();
  });
  let failures = 0;
  store.getQueryCache().subscribe((event) => {
    if (event.type !== "updated" || event.query.queryKey[0] !== keys.runtimes[0]) return;
    if (event.action.type === "success") failures = 0;
    if (event.action.type === "error" && ++failures >= FAILURES) {
      failures = 0;
      doubt();
    }
  });
}

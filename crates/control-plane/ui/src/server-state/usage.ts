// What agents use, measured while somebody looks: the server says what is, and keeps no series. So the series are of this page,
// bounded, and begin when it is first looked at.

import { useEffect, useSyncExternalStore } from "react";
import { getMetrics } from "../api/agents";
import { Problem } from "../api/problem";
import { type Round, type Sample, sampleOf } from "../features/usage/series";

/** Between two rounds, in milliseconds. */
export const EVERY_MS = 5000;
/** Rounds that are kept: an hour. Of more, the newest. */
const MAX_ROUNDS = 720;
/** Agents that are asked in a round at most. */
export const MAX_MEASURED = 60;
/** Questions that are on their way at once. */
const AT_ONCE = 4;

interface Watcher {
  /** Who is to be asked, as it stands when a round begins. */
  ids: () => readonly string[];
  isAll: boolean;
}

let rounds: readonly Round[] = [];
const listeners = new Set<() => void>();
const watchers = new Set<Watcher>();
let isRunning = false;
/** Ends the pause between two rounds. */
let wake = (): void => undefined;

/** Measures for as long as somebody watches and the page can be seen. */
async function run(): Promise<void> {
  if (isRunning) return;
  isRunning = true;
  while (watchers.size > 0) {
    const began = Date.now();
    if (document.visibilityState === "visible") await measure();
    await pause(Math.max(EVERY_MS / 5, began + EVERY_MS - Date.now()));
  }
  isRunning = false;
}

const pause = (ms: number): Promise<void> =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    wake = () => {
      clearTimeout(timer);
      done();
    };
  });

async function measure(): Promise<void> {
  const isAll = [...watchers].some((watcher) => watcher.isAll);
  const ids = [...new Set([...watchers].flatMap((watcher) => watcher.ids()))];
  const samples = new Map<string, Sample>();
  const at = Date.now();
  let missing = 0;
  const waiting = [...ids];
  const lane = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift())
      try {
        samples.set(id, sampleOf(await getMetrics(id), Date.now()));
      } catch (error) {
        // Who is gone is not missing.
        if (!(error instanceof Problem && error.status === 404)) missing += 1;
      }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  rounds = [...rounds, { at, isAll, missing, samples }].slice(-MAX_ROUNDS);
  for (const listener of listeners) listener();
}

/** The rounds so far; more come for as long as the caller is shown. `ids` are asked, at most [`MAX_MEASURED`]; `isAll`: they are all there are. */
export function useRounds(ids: readonly string[], isAll: boolean): readonly Round[] {
  const asked = ids.slice(0, MAX_MEASURED).join("\n");
  useEffect(() => {
    if (asked === "") return;
    const watcher: Watcher = { ids: () => asked.split("\n"), isAll };
    watchers.add(watcher);
    // Who just came to look sees something at once.
    wake();
    void run();
    return () => void watchers.delete(watcher);
  }, [asked, isAll]);
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => rounds,
  );
}

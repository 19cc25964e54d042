// The library of patterns, and runs.

import { useQueries, useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { socketUrl } from "../api/client";
import { getPattern, getRun, listPatterns, listRuns, runEventsPath } from "../api/runs";
import type { RunQuestion } from "../api/types";
import { keys, store } from "./store";

/** How often the list is asked for, in milliseconds, while something runs: no stream tells of runs as a whole. */
const ASK_MS = 4000;
/** The same while nothing runs: somebody may start one elsewhere. */
const ASK_IDLE_MS = 20_000;

export const usePatterns = () => useQuery({ queryKey: keys.patterns, queryFn: listPatterns, staleTime: 0 });
export const usePattern = (name: string) => useQuery({ queryKey: keys.pattern(name), queryFn: () => getPattern(name), staleTime: 0 });

export const useRuns = () =>
  useQuery({
    queryKey: keys.runs,
    queryFn: listRuns,
    retry: false,
    refetchInterval: ({ state }) => (state.data?.some(({ status }) => status === "running") ? ASK_MS : ASK_IDLE_MS),
  });

/** A run, kept up to date by its own events for as long as it is shown. */
export function useRun(id: string) {
  useEffect(() => followRun(id), [id]);
  return useQuery({ queryKey: keys.run(id), queryFn: () => getRun(id), staleTime: 0 });
}

/** A question of a run that waits for a person. */
export interface OpenRunQuestion {
  runId: string;
  pattern: string;
  question: RunQuestion;
}

/** All questions of runs that wait for a person. */
export function useRunQuestions(): OpenRunQuestion[] {
  const waiting = (useRuns().data ?? []).filter(({ questions }) => questions > 0);
  return useQueries({
    queries: waiting.map(({ id }) => ({ queryKey: keys.run(id), queryFn: () => getRun(id), refetchInterval: ASK_MS })),
    combine: (results) =>
      results.flatMap(({ data: run }) =>
        (run?.questions ?? [])
          .filter(({ forUser }) => forUser)
          .map((question) => ({ runId: run!.id, pattern: run!.pattern, question })),
      ),
  });
}

/** Asks for the run again when something happened in it; several events at once, once. */
function followRun(id: string): () => void {
  let socket: WebSocket | undefined;
  let closed = false;
  let due: ReturnType<typeof setTimeout> | undefined;
  let since: string | undefined;
  const refresh = (): void => {
    due ??= setTimeout(() => {
      due = undefined;
      void store.invalidateQueries({ queryKey: keys.runs });
    }, 100);
  };
  const connect = async (): Promise<void> => {
    try {
      const url = await socketUrl(runEventsPath(id), { since });
      if (closed) return;
      socket = new WebSocket(url);
      let ended = false;
      socket.onmessage = ({ data }) => {
        const event = JSON.parse(data as string) as { id: string; event: string };
        since = event.id;
        ended = event.event === "execution_ended";
        refresh();
      };
      socket.onclose = () => {
        if (!closed && !ended) setTimeout(() => void connect(), 2000);
      };
    } catch {
      if (!closed) setTimeout(() => void connect(), 2000);
    }
  };
  void connect();
  return () => {
    closed = true;
    clearTimeout(due);
    socket?.close(1000);
  };
}

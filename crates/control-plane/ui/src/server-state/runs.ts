// The library of patterns, and runs.

import { useQueries, useQuery } from "@tanstack/react-query";
import { getPattern, getRun, getRunChart, listPatterns, listRuns } from "../api/runs";
import type { RunQuestion } from "../api/types";
import { keys } from "./store";

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

/** A run; who shows it follows its events, and these keep it up to date. */
export const useRun = (id: string) => useQuery({ queryKey: keys.run(id), queryFn: () => getRun(id), staleTime: 0 });

/** The org chart that a run began with: it stays. */
export const useRunChart = (id: string) => useQuery({ queryKey: ["chart", id], queryFn: () => getRunChart(id) });

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

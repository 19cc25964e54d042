// What can be asked of patterns and their runs.

import type { Attempt } from "./attempt";
import { call } from "./client";
import type { Chart, Pattern, Run, RunAnswer, RunSummary, StoredPattern, Validation } from "./types";

const pattern = (name: string, rest = ""): string => `/api/patterns/${encodeURIComponent(name)}${rest}`;
const run = (id: string, rest = ""): string => `/api/executions/${encodeURIComponent(id)}${rest}`;

export const listPatterns = async (): Promise<Pattern[]> =>
  (await call<{ patterns: Pattern[] }>("GET", "/api/patterns")).patterns;
export const getPattern = (name: string): Promise<StoredPattern> => call("GET", pattern(name));
export const addPattern = (source: string): Promise<Pattern> => call("POST", "/api/patterns", source, { type: "application/yaml" });
export const replacePattern = (name: string, source: string): Promise<Pattern> => call("PUT", pattern(name), source, { type: "application/yaml" });

export const deletePattern = (name: string): Promise<void> => call("DELETE", pattern(name));

/** What is wrong with a file; its org chart when nothing is. */
export const validatePattern = (source: string): Promise<Validation> => call("POST", "/api/patterns/validate", source, { type: "application/yaml" });

export const execute = (
  name: string,
  request: { input: Record<string, unknown>; workdir?: string },
  attempt: Attempt,
): Promise<{ executionId: string }> => attempt.make(JSON.stringify([name, request]), (key) => call("POST", pattern(name, "/execute"), request, { key }));
const runsOf = async (query: string): Promise<RunSummary[]> =>
  (await call<{ executions: RunSummary[] }>("GET", `/api/executions?${query}`)).executions;
/** The newest, and every one at work: one that waits for a person may have any age. */
export async function listRuns(): Promise<RunSummary[]> {
  const [newest, running] = await Promise.all([runsOf("limit=200"), runsOf("status=running&limit=1000")]);
  const known = new Set(newest.map(({ id }) => id));
  return [...newest, ...running.filter(({ id }) => !known.has(id))];
}
export const getRun = (id: string): Promise<Run> => call("GET", run(id));
export const getRunChart = (id: string): Promise<Chart> => call("GET", run(id, "/chart"));

export const answerRun = (id: string, request: RunAnswer): Promise<Run> => call("POST", run(id, "/answer"), request);
/** Lets a run at work send so many messages in all. */
export const raiseBudget = (id: string, messages: number): Promise<Run> => call("POST", run(id, "/budget"), { messages });
export const cancelRun = (id: string): Promise<Run> => call("POST", run(id, "/cancel"));
export const runEventsPath = (id: string): string => run(id, "/events");

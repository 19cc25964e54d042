// Everything that waits for a person, oldest first.

import type { Agent, AgentError, Attention, MessageBudget, RunSummary, Runtime } from "../../api/types";
import { type Agents, useAgents } from "../../server-state/agents";
import { type OpenRunQuestion, useRunQuestions, useRuns } from "../../server-state/runs";
import { useRuntimes } from "../../server-state/runtimes";
import { troubleOf } from "../attention/trouble";

/** `since` is empty where nobody told it. */
export type Waiting =
  | { kind: "agent"; key: string; since: string; agent: Agent; attention: Attention }
  | { kind: "trouble"; key: string; since: string; agent: Agent; error: AgentError }
  | { kind: "room"; key: string; since: string; runtime: Runtime; warning: string }
  | { kind: "budget"; key: string; since: string; run: RunSummary; budget: MessageBudget }
  | { kind: "run"; key: string; since: string; open: OpenRunQuestion };

/** Behind everything with a time. */
const NO_TIME = "9";

/**
 * Agents that ask or get no more from their providers, what runs ask beyond that (a dialog of an agent of a run is the agent's), runs that
 * have sent most of their messages, and runtimes whose workspaces run out of room.
 */
export function waitingOf(agents: Agents, questions: readonly OpenRunQuestion[], runtimes: readonly Runtime[] = [], runs: readonly RunSummary[] = []): Waiting[] {
  const waiting: Waiting[] = [];
  const occasions = new Set<string>();
  for (const agent of agents.values()) {
    const { attention } = agent;
    const error = troubleOf(agent);
    if (error) {
      const since = error.since ?? agent.updatedAt;
      // A host of an earlier version does not say since when, and the agent changes all the time.
      waiting.push({ kind: "trouble", key: `${agent.id}/${error.code}/${error.since ?? ""}`, since, agent, error });
    }
    if (!attention || agent.status === "stopped") continue;
    occasions.add(attention.id);
    waiting.push({ kind: "agent", key: `${agent.id}/${attention.id}`, since: attention.since, agent, attention });
  }
  for (const open of questions) {
    const { id, attentionId, since } = open.question;
    if (attentionId && occasions.has(attentionId)) continue;
    waiting.push({ kind: "run", key: `${open.runId}/${id}`, since, open });
  }
  for (const runtime of runtimes) {
    const { warning, warningSince } = runtime.workspaces ?? {};
    if (warning) waiting.push({ kind: "room", key: `${runtime.name}/room/${warningSince ?? ""}`, since: warningSince ?? "", runtime, warning });
  }
  for (const run of runs) {
    const { budget } = run;
    if (run.status === "running" && budget?.warningSince) waiting.push({ kind: "budget", key: `${run.id}/budget/${budget.most}`, since: budget.warningSince, run, budget });
  }
  return waiting.sort((a, b) => (a.since || NO_TIME).localeCompare(b.since || NO_TIME) || a.key.localeCompare(b.key));
}

export const useWaiting = (): Waiting[] => waitingOf(useAgents().data ?? new Map<string, Agent>(), useRunQuestions(), useRuntimes().data, useRuns().data);

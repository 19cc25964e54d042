// Everything that waits for a person, oldest first.

import type { Agent, Attention } from "../../api/types";
import { type Agents, useAgents } from "../../server-state/agents";
import { type OpenRunQuestion, useRunQuestions } from "../../server-state/runs";

export type Waiting =
  | { kind: "agent"; key: string; since: string; agent: Agent; attention: Attention }
  | { kind: "run"; key: string; since: string; open: OpenRunQuestion };

/** Agents that ask, and what runs ask beyond that: a dialog of an agent of a run is the agent's. */
export function waitingOf(agents: Agents, questions: readonly OpenRunQuestion[]): Waiting[] {
  const waiting: Waiting[] = [];
  const occasions = new Set<string>();
  for (const agent of agents.values()) {
    const { attention } = agent;
    if (!attention || agent.status === "stopped") continue;
    occasions.add(attention.id);
    waiting.push({ kind: "agent", key: `${agent.id}/${attention.id}`, since: attention.since, agent, attention });
  }
  for (const open of questions) {
    const { id, attentionId, since } = open.question;
    if (attentionId && occasions.has(attentionId)) continue;
    waiting.push({ kind: "run", key: `${open.runId}/${id}`, since, open });
  }
  return waiting.sort((a, b) => a.since.localeCompare(b.since) || a.key.localeCompare(b.key));
}

export const useWaiting = (): Waiting[] => waitingOf(useAgents().data ?? new Map<string, Agent>(), useRunQuestions());

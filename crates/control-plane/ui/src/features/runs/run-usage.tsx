// What a run's agents have used, as far as their CLIs tell.

import { useQueries } from "@tanstack/react-query";
import { getMetrics } from "../../api/agents";
import type { Metrics, Run } from "../../api/types";
import { keys } from "../../server-state/store";

/** How often it is asked for while the run is at work, in milliseconds. */
const ASK_MS = 10_000;
/** Agents that are asked at most. */
const MAX_ASKED = 32;

export function RunUsage({ members, isOver }: { members: Run["agents"]; isOver: boolean }) {
  const { tokens, cost, isPart } = useQueries({
    queries: members.slice(0, MAX_ASKED).map(({ agentId }) => ({
      queryKey: keys.metrics(agentId),
      queryFn: () => getMetrics(agentId),
      retry: false,
      staleTime: 0,
      refetchInterval: isOver ? (false as const) : ASK_MS,
    })),
    combine: (results) => {
      const known = results.flatMap(({ data }) => (data ? [data as Metrics & { tokens?: { input?: number; output?: number } | null; costUsd?: number | null }] : []));
      return {
        tokens: known.reduce((sum, { tokens: used }) => sum + (used?.input ?? 0) + (used?.output ?? 0), 0),
        cost: known.reduce((sum, { costUsd }) => sum + (costUsd ?? 0), 0),
        isPart: known.length < members.length,
      };
    },
  });
  if (tokens === 0 && cost === 0) return null;
  return <>{` · ${isPart ? "at least " : ""}${tokens.toLocaleString()} tokens${cost > 0 ? `, $${cost.toFixed(2)}` : ""}`}</>;
}

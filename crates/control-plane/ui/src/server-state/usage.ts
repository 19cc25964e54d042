// What agents use. No event tells of it: it is asked for as often as the server measures, while somebody looks, in one question for all.

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { getAgentsUsage, getUsage } from "../api/usage";
import type { AgentUsage, AgentUsageList, UsagePoint, UsageSeries, UsageSpan } from "../api/types";
import { keys, store } from "./store";

/** Points that a series has at most: the minutes of a day. */
const MAX_POINTS = 1440;
/** Until it is known how often the server measures, in milliseconds. */
const ASK_MS = 30_000;
/** No more often than that, in milliseconds. */
const LEAST_MS = 2000;

const interval = (data: { everySeconds: number } | undefined): number => (data ? Math.max(LEAST_MS, data.everySeconds * 1000) : ASK_MS);

const NONE: ReadonlyMap<string, AgentUsage> = new Map();

/** What each agent used when it was last measured. */
export function useAgentsUsage(): ReadonlyMap<string, AgentUsage> {
  const { data } = useQuery<AgentUsageList>({
    queryKey: keys.agentsUsage,
    queryFn: getAgentsUsage,
    retry: false,
    staleTime: LEAST_MS,
    refetchInterval: ({ state }) => interval(state.data),
  });
  return useMemo(() => (data ? new Map(data.agents.map((usage) => [usage.agentId, usage])) : NONE), [data]);
}

/** The series of an agent, or of all together. What is known is kept, and only what came since is asked for. */
export function useUsage(agentId: string | undefined, span: UsageSpan) {
  const queryKey = keys.usage(agentId, span);
  return useQuery<UsageSeries>({
    queryKey,
    queryFn: async () => {
      const known = store.getQueryData<UsageSeries>(queryKey);
      // The last minute or hour may not be over.
      const last = known?.points.at(-1)?.at;
      const fresh = await getUsage(agentId, span, last);
      return known && last !== undefined ? { ...fresh, points: continued(known.points, fresh.points) } : fresh;
    },
    retry: false,
    staleTime: 0,
    refetchInterval: ({ state }) => interval(state.data),
  });
}

/** Points and those that came since, which may begin with the last of them anew. */
export function continued(known: readonly UsagePoint[], fresh: readonly UsagePoint[]): UsagePoint[] {
  const first = fresh[0]?.at;
  return [...(first === undefined ? known : known.filter(({ at }) => at < first)), ...fresh].slice(-MAX_POINTS);
}

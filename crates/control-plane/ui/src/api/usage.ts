// What agents use, as the server measured it.

import { call } from "./client";
import type { AgentUsageList, UsageSeries, UsageSpan } from "./types";

/** Of one agent or of all together, a point a minute or an hour, from a time on. */
export function getUsage(agentId: string | undefined, span: UsageSpan, since: string | undefined): Promise<UsageSeries> {
  const query = new URLSearchParams({ span });
  if (agentId !== undefined) query.set("agentId", agentId);
  if (since !== undefined) query.set("since", since);
  return call("GET", `/api/usage?${query.toString()}`);
}

/** Of each agent, as it was measured last: one answer for all. */
export const getAgentsUsage = (): Promise<AgentUsageList> => call("GET", "/api/usage/agents");

// The agents that there are, by id.

import { useQuery } from "@tanstack/react-query";
import { getAgent, listAgents } from "../api/agents";
import { Problem } from "../api/problem";
import type { Agent } from "../api/types";
import { keys, store } from "./store";

export type Agents = ReadonlyMap<string, Agent>;

/** What the stream or calls told while the list was on its way. */
const toldMeanwhile = new Map<string, Agent>();

const query = {
  queryKey: keys.agents,
  structuralSharing: false,
  queryFn: async (): Promise<Agents> => {
    toldMeanwhile.clear();
    const listed = new Map((await listAgents()).map((agent) => [agent.id, agent]));
    return merged(listed, [...toldMeanwhile.values()]);
  },
} as const;

/** All agents, and whether they are known yet. */
export const useAgents = () => useQuery(query);

/** One agent; a component that shows it is drawn again only when this one changed. */
export function useAgent(id: string) {
  const { data, isPending, error, refetch } = useQuery({ ...query, select: (agents) => agents.get(id) });
  return { agent: data, isPending, error, refetch };
}

/** What is known now, outside of a component. */
export const knownAgents = (): Agents => store.getQueryData<Agents>(keys.agents) ?? new Map<string, Agent>();

/** Takes agents as somebody told them, in order, unless what is known is newer. Before the list is there they wait for it. */
export function putAgents(told: readonly Agent[]): void {
  if (told.length === 0) return;
  for (const agent of told) toldMeanwhile.set(agent.id, agent);
  store.setQueryData<Agents>(keys.agents, (known) => known && merged(known, told));
}

function merged(known: Agents, told: readonly Agent[]): Agents {
  const next = new Map(known);
  for (const agent of told) if (!isOlder(agent, next.get(agent.id))) next.set(agent.id, agent);
  return next;
}

/** Whether what is known of an agent is newer. What was last known of a runtime that is away is newer than nothing. */
const isOlder = (agent: Agent, known: Agent | undefined): boolean =>
  known !== undefined && !known.stale && known.updatedAt > agent.updatedAt;

/** How often agents that start are asked for, in milliseconds. */
const RECHECK_MS = 10_000;
/** At most so many at once. */
const MAX_RECHECKED = 20;

/**
 * Asks for agents that are being started, again and again: one is listed before its first event, and when it does not start after all it is
 * gone without one.
 */
export function recheckStarting(): void {
  setInterval(() => {
    if (document.visibilityState !== "visible") return;
    const starting = [...knownAgents().values()].filter(({ status, stale }) => status === "starting" && !stale);
    for (const { id } of starting.slice(0, MAX_RECHECKED)) void recheck(id);
  }, RECHECK_MS);
}

async function recheck(id: string): Promise<void> {
  try {
    putAgents([await getAgent(id)]);
  } catch (error) {
    if (!(error instanceof Problem && error.status === 404)) return;
    toldMeanwhile.delete(id);
    store.setQueryData<Agents>(keys.agents, (known) => known && new Map([...known].filter(([key]) => key !== id)));
  }
}

// What happened: what the stream told since the page was opened, and what the server keeps from before.

import { useQuery } from "@tanstack/react-query";
import { eventsPath } from "../api/agents";
import { socketUrl } from "../api/client";
import { Problem } from "../api/problem";
import type { AgentEvent } from "../api/types";
import { keys, store } from "./store";

/** The most events that are kept here; of more, the newest. */
const MAX_EVENTS = 5000;
/** The history has been read when nothing more came for so long, in milliseconds. */
const QUIET_MS = 400;

const newest = (events: AgentEvent[]): AgentEvent[] => (events.length > MAX_EVENTS ? events.slice(-MAX_EVENTS) : events);

/** Adds events of the stream. */
export function putActivity(events: readonly AgentEvent[]): void {
  store.setQueryData<AgentEvent[]>(keys.activity, (known = []) => newest([...known, ...events]));
}

/** What the stream told since the page was opened, oldest first. */
export const useActivity = () =>
  useQuery<AgentEvent[]>({ queryKey: keys.activity, queryFn: () => [], enabled: false, initialData: [] });

/** What the server kept of the past. */
export interface History {
  /** Oldest first. */
  events: AgentEvent[];
  /** Whether there was more than was asked for: then there are no events, for the newest come last. */
  isTooMuch: boolean;
}

/** Of one agent or of all, at most `limit` events; read once. The server may keep a hundred thousand. */
export const useHistory = (agentId: string | undefined, limit: number) =>
  useQuery({
    queryKey: [...keys.history(agentId), limit],
    queryFn: () => readHistory(agentId, limit),
    gcTime: 0,
    structuralSharing: false,
  });

/** What was kept and what came since, once each. */
export function joined(history: readonly AgentEvent[], live: readonly AgentEvent[]): AgentEvent[] {
  const known = new Set(history.map(({ id }) => id));
  return [...history, ...live.filter(({ id }) => !known.has(id))];
}

async function readHistory(agentId: string | undefined, limit: number): Promise<History> {
  const socket = new WebSocket(await socketUrl(eventsPath, { since: "0", agentId }));
  return new Promise((done, fail) => {
    let events: AgentEvent[] = [];
    let read = 0;
    let quiet: ReturnType<typeof setTimeout> | undefined;
    const wait = (): void => {
      clearTimeout(quiet);
      quiet = setTimeout(() => socket.close(1000), QUIET_MS);
    };
    socket.onopen = wait;
    socket.onmessage = ({ data }) => {
      events.push(JSON.parse(data as string) as AgentEvent);
      if (events.length > 2 * MAX_EVENTS) events = newest(events);
      if (++read > limit) socket.close(1000);
      else wait();
    };
    socket.onerror = () => fail(new Problem(0, "UNREACHABLE", "The server does not answer."));
    socket.onclose = () => {
      clearTimeout(quiet);
      const isTooMuch = read > limit;
      done({ isTooMuch, events: isTooMuch ? [] : newest(events.filter(({ event }) => event !== "reset")) });
    };
  });
}

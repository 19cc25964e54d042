// What the page knows, and who wants to hear when it changes.

import { type Agent, type AgentEvent, type Runtime, listAgents, listRuntimes } from "./api";

/** The most events the page remembers. */
const MAX_EVENTS = 500;

export interface State {
  agents: Map<string, Agent>;
  runtimes: Runtime[];
  events: AgentEvent[];
  selected: string | undefined;
  connected: boolean;
}

export const state: State = {
  agents: new Map(),
  runtimes: [],
  events: [],
  selected: location.hash.slice(1) || undefined,
  connected: false,
};

type Listener = () => void;
const listeners = new Set<Listener>();
let due = false;

/** Calls `listener` after changes: once a frame at most, however many there were. */
export function onChange(listener: Listener): void {
  listeners.add(listener);
}

/** Tells that something changed. */
export function changed(): void {
  if (due) return;
  due = true;
  queueMicrotask(() => {
    due = false;
    for (const listener of listeners) listener();
  });
}

export function selectAgent(id: string | undefined): void {
  state.selected = id;
  history.replaceState(null, "", id ? `#${id}` : location.pathname);
  changed();
}

export function selectedAgent(): Agent | undefined {
  return state.selected === undefined ? undefined : state.agents.get(state.selected);
}

/** Takes an agent as somebody told it, unless what is known is newer. */
export function putAgent(agent: Agent): void {
  const known = state.agents.get(agent.id);
  if (!known || known.stale || known.updatedAt <= agent.updatedAt) state.agents.set(agent.id, agent);
  changed();
}

/** Asks for everything again. */
export async function reload(): Promise<void> {
  const [agents, runtimes] = await Promise.all([listAgents(), listRuntimes()]);
  state.agents = new Map(agents.map((agent) => [agent.id, agent]));
  state.runtimes = runtimes;
  changed();
}

/** Asks how the runtimes are; when one went or came back, its agents look different too. */
export async function reloadRuntimes(): Promise<void> {
  const before = healths(state.runtimes);
  state.runtimes = await listRuntimes();
  changed();
  if (before !== "" && before !== healths(state.runtimes)) await reload();
}

const healths = (runtimes: Runtime[]): string => runtimes.map(({ name, healthy }) => `${name}=${healthy}`).join();

/** Takes one event of the stream. */
export function putEvent(event: AgentEvent): void {
  state.events.push(event);
  if (state.events.length > MAX_EVENTS) state.events.splice(0, state.events.length - MAX_EVENTS);
  if (event.data.agent) putAgent(event.data.agent);
  changed();
}

// Events as they came, newest first.

import type { AgentEvent } from "./api";
import { clock, el, fill } from "./dom";
import { selectAgent, state } from "./store";

/** The most events shown at once. */
const MAX_SHOWN = 200;

/** Draws the events of one agent, or of all. */
export function renderActivity(list: HTMLElement, agentId?: string): void {
  const events = state.events.filter((event) => agentId === undefined || agentOf(event) === agentId);
  const newest = events.slice(-MAX_SHOWN).reverse();
  fill(list, ...newest.map((event) => line(event, agentId === undefined)));
  if (newest.length === 0) list.append(el("li", { className: "empty", textContent: "Nothing has happened since this page was opened." }));
}

function agentOf({ data }: AgentEvent): string | undefined {
  return data.agent?.id ?? data.message?.agentId;
}

function line(event: AgentEvent, withAgent: boolean): HTMLElement {
  const id = agentOf(event);
  const name = id === undefined ? undefined : (state.agents.get(id)?.name ?? event.data.agent?.name ?? id);
  const { data } = event;
  const text = data.message?.content ?? data.question ?? data.loginUrl ?? data.agent?.error?.message ?? data.reason ?? "";
  return el(
    "li",
    { className: "event" },
    clock(event.timestamp),
    el("span", { className: `event-name is-${event.event}`, textContent: event.event }),
    withAgent && id !== undefined && name !== undefined
      ? el("button", { type: "button", className: "link", textContent: name, on: { click: () => selectAgent(id) } })
      : null,
    text !== "" && el("span", { className: "event-text", textContent: text }),
  );
}

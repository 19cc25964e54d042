// The list of agents.

import type { Agent } from "./api";
import { el, fill } from "./dom";
import { selectAgent, state } from "./store";

let filter = "";

const list = el("ul", { className: "agent-list", attrs: { "aria-label": "Agents" } });
const count = el("span", { className: "count" });

/** The list, made once. */
export function sidebar(spawnButton: HTMLElement): HTMLElement {
  const search = el("input", {
    type: "search",
    placeholder: "Filter",
    attrs: { "aria-label": "Filter agents by name, type, status, role or label" },
    on: {
      input: () => {
        filter = search.value.trim().toLowerCase();
        renderSidebar();
      },
    },
  });
  // Up and down move through the list, as in any list.
  list.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0) return;
    const buttons = [...list.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    buttons[at + step]?.focus();
    event.preventDefault();
  });
  return el(
    "nav",
    { className: "sidebar", attrs: { "aria-label": "Agents" } },
    el("div", { className: "sidebar-head" }, el("h2", {}, "Agents ", count), spawnButton),
    search,
    list,
  );
}

/** Brings the list up to date; who had the focus keeps it. */
export function renderSidebar(): void {
  const agents = [...state.agents.values()].sort(byNeed).filter(matches);
  const focused = (document.activeElement as HTMLElement | null)?.dataset["agent"];
  count.textContent = String(state.agents.size);
  fill(list, ...agents.map(row));
  if (agents.length === 0) {
    const text = state.agents.size === 0 ? "No agents yet. Spawn the first one." : "No agent matches.";
    list.append(el("li", { className: "empty", textContent: text }));
  }
  if (focused) list.querySelector<HTMLElement>(`[data-agent="${CSS.escape(focused)}"]`)?.focus();
}

function row(agent: Agent): HTMLElement {
  const button = el(
    "button",
    { type: "button", className: "agent-row", on: { click: () => selectAgent(agent.id) } },
    el("span", { className: `dot ${agent.status}`, attrs: { "aria-hidden": "true" } }),
    el(
      "span",
      { className: "agent-row-text" },
      el("span", { className: "agent-name", textContent: agent.name }),
      el("span", {
        className: "agent-sub",
        textContent: [agent.type, agent.runtime, statusText(agent)].join(" · "),
      }),
    ),
    agent.attention && el("span", { className: "needs", textContent: agent.attention.kind === "login" ? "log in" : "asks" }),
  );
  button.dataset["agent"] = agent.id;
  if (agent.id === state.selected) button.setAttribute("aria-current", "true");
  return el("li", {}, button);
}

/** The status in words, with what else a person should know at a glance. */
export function statusText(agent: Agent): string {
  return agent.stale ? `${agent.status}, runtime away` : agent.status;
}

/** Who needs a person first, then who lives, then the newest. */
function byNeed(a: Agent, b: Agent): number {
  const rank = (agent: Agent): number => (agent.status === "stopped" ? 2 : agent.attention ? 0 : 1);
  return rank(a) - rank(b) || b.createdAt.localeCompare(a.createdAt);
}

function matches(agent: Agent): boolean {
  if (filter === "") return true;
  const labels = Object.entries(agent.labels).map(([key, value]) => `${key}=${value}`);
  const words = [agent.name, agent.type, agent.runtime, agent.status, agent.role, agent.id, ...labels];
  return words.some((word) => word?.toLowerCase().includes(filter));
}

// What is shown while no agent is selected: the runtimes, and what happens anywhere.

import type { Runtime } from "./api";
import { renderActivity } from "./activity";
import { el, fill } from "./dom";
import { state } from "./store";

export class Overview {
  readonly element: HTMLElement;
  private readonly runtimes = el("ul", { className: "cards" });
  private readonly events = el("ol", { className: "events" });

  constructor() {
    this.element = el(
      "div",
      { className: "overview" },
      el("h2", { textContent: "Runtimes" }),
      this.runtimes,
      el("h2", { textContent: "Activity" }),
      this.events,
    );
  }

  render(): void {
    fill(this.runtimes, ...state.runtimes.map(card));
    if (state.runtimes.length === 0)
      this.runtimes.append(el("li", { className: "empty", textContent: "No runtime is configured. `parallax up` starts one on this machine." }));
    renderActivity(this.events);
  }
}

function card(runtime: Runtime): HTMLElement {
  const load = runtime.capacity > 0 ? Math.min(100, (100 * runtime.agents) / runtime.capacity) : 0;
  return el(
    "li",
    { className: "card" },
    el(
      "div",
      { className: "card-head" },
      el("span", { className: `dot ${runtime.healthy ? "ready" : "error"}`, attrs: { "aria-hidden": "true" } }),
      el("strong", { textContent: runtime.name }),
      el("span", { className: "muted", textContent: runtime.healthy ? "healthy" : "away" }),
    ),
    el("p", { className: "muted mono", textContent: runtime.url }),
    runtime.reason && el("p", { className: "reason", textContent: runtime.reason }),
    runtime.healthy && el("meter", { min: 0, max: 100, value: load, attrs: { "aria-label": "Agents of capacity" } }),
    runtime.healthy && el("p", { textContent: `${runtime.agents} of ${runtime.capacity} agents · priority ${runtime.priority}` }),
    el(
      "p",
      { className: "types" },
      ...runtime.types.map(({ name, available, reason }) =>
        el("span", { className: available ? "type" : "type missing", title: reason ?? "", textContent: name }),
      ),
    ),
  );
}

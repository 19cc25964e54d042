// The page: a list of agents on the left, one agent (or the overview) on the right. The store tells when to draw.

import { getAgent, onTokenNeeded } from "./api";
import { Detail } from "./detail";
import { el, fill } from "./dom";
import { Overview } from "./overview";
import { renderSidebar, sidebar } from "./sidebar";
import { spawnDialog } from "./spawn";
import { onChange, putAgent, reloadRuntimes, selectAgent, selectedAgent, state } from "./store";
import { followEvents } from "./stream";
import { toasts } from "./toast";
import { tokenDialog } from "./token";

/** How often the runtimes are asked for, in milliseconds: their health is no event. */
const RUNTIMES_MS = 3000;

const spawn = spawnDialog();
const token = tokenDialog();
onTokenNeeded(token.ask);

const connection = el("span", { className: "connection", attrs: { role: "status" } });
const runtimes = el("ul", { className: "runtime-pills", attrs: { "aria-label": "Runtimes" } });
const main = el("main", { id: "main", tabIndex: -1 });
const overview = new Overview();
let detail: { id: string; view: Detail } | undefined;

const home = el("button", { type: "button", className: "brand", textContent: "Parallax", title: "Overview", on: { click: () => selectAgent(undefined) } });
const spawnButton = el("button", { type: "button", className: "primary", textContent: "Spawn", on: { click: spawn.show } });
document.querySelector("#app")?.append(
  el("header", { className: "top" }, home, runtimes, connection),
  el("div", { className: "columns" }, sidebar(spawnButton), main),
  spawn.element,
  token.element,
  toasts,
);

onChange(render);
render();
window.addEventListener("hashchange", () => selectAgent(location.hash.slice(1) || undefined));
setInterval(() => {
  if (!document.hidden && state.connected) void reloadRuntimes().catch(() => undefined);
}, RUNTIMES_MS);
void followEvents((event) => detail?.view.onEvent(event));

function render(): void {
  connection.textContent = state.connected ? "live" : "connecting …";
  connection.classList.toggle("live", state.connected);
  fill(
    runtimes,
    ...state.runtimes.map(({ name, healthy, reason }) =>
      el(
        "li",
        { className: "pill", title: reason ?? "" },
        el("span", { className: `dot ${healthy ? "ready" : "error"}`, attrs: { "aria-hidden": "true" } }),
        healthy ? name : `${name} (away)`,
      ),
    ),
  );
  renderSidebar();
  renderMain();
}

function renderMain(): void {
  const agent = selectedAgent();
  if (detail && detail.id !== state.selected) {
    detail.view.close();
    detail = undefined;
  }
  if (agent) {
    if (detail) return detail.view.render(agent);
    detail = { id: agent.id, view: new Detail(agent) };
    fill(main, detail.view.element);
    detail.view.opened();
    // What is known may be from before the page's stream began.
    void getAgent(agent.id).then(putAgent, () => undefined);
  } else {
    overview.render();
    if (overview.element.parentElement !== main) fill(main, overview.element);
  }
  document.title = agent ? `${agent.name} · Parallax` : "Parallax";
}

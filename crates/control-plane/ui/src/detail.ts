// One agent: its header, what it needs, its terminal, its conversation, events and details.

import { type Agent, type AgentEvent, interrupt, restart, stop } from "./api";
import { renderActivity } from "./activity";
import { AttentionBanner } from "./attention";
import { Conversation } from "./conversation";
import { clock, el, fill } from "./dom";
import { statusText } from "./sidebar";
import { putAgent } from "./store";
import { Tabs } from "./tabs";
import { TerminalPane } from "./terminal";
import { attempt } from "./toast";

/** How often the messages are asked for while one of them is on its way, in milliseconds. */
const MESSAGES_MS = 1500;

/** The page of one agent, from when it is selected until another is. */
export class Detail {
  readonly element: HTMLElement;
  private readonly title = el("h1");
  private readonly subtitle = el("p", { className: "subtitle" });
  private readonly status = el("span", { attrs: { role: "status" } });
  private readonly trouble = el("p", { className: "trouble", hidden: true });
  private readonly banner = new AttentionBanner();
  private readonly conversation: Conversation;
  private readonly events = el("ol", { className: "events" });
  private readonly facts = el("dl", { className: "facts" });
  private readonly terminal: TerminalPane;
  private readonly buttons: { interrupt: HTMLButtonElement; restart: HTMLButtonElement; stop: HTMLButtonElement };
  private readonly poll: number;
  private agent: Agent;

  constructor(agent: Agent) {
    this.agent = agent;
    this.conversation = new Conversation(agent.id);
    this.terminal = new TerminalPane(agent.id, false, () => this.conversation.focus());
    this.buttons = {
      interrupt: this.button("Interrupt", "Stop the current turn, keep the agent", interrupt),
      restart: this.button("Restart", "A new process with the same conversation", restart),
      stop: this.button("Stop", "End the agent", stop, "Stop this agent? Its log and messages stay readable for a while."),
    };
    this.buttons.stop.classList.add("danger");

    const viewOnly = el("input", { type: "checkbox", on: { change: () => this.terminal.setViewOnly(viewOnly.checked) } });
    const tabs = new Tabs([
      { name: "Conversation", content: this.conversation.element },
      { name: "Events", content: this.events },
      { name: "Details", content: this.facts },
    ]);
    this.element = el(
      "article",
      { className: "detail" },
      el(
        "header",
        { className: "detail-head" },
        el("div", { className: "detail-title" }, el("div", { className: "title-row" }, this.title, this.status), this.subtitle),
        el("div", { className: "actions" }, this.buttons.interrupt, this.buttons.restart, this.buttons.stop),
      ),
      this.trouble,
      this.banner.element,
      el(
        "div",
        { className: "panes" },
        el(
          "section",
          { className: "terminal-pane", attrs: { "aria-label": "Terminal" } },
          this.terminal.element,
          el(
            "div",
            { className: "terminal-bar" },
            el("label", { className: "check" }, viewOnly, "Watch only"),
            el("span", { className: "hint", textContent: "Ctrl+F6 leaves the terminal" }),
          ),
        ),
        tabs.element,
      ),
    );
    this.render(agent);
    void this.conversation.refresh();
    // A message's way (waiting, typed, taken) is no event.
    this.poll = setInterval(() => {
      if (this.agent.status !== "stopped" && !this.agent.stale && !document.hidden) void this.conversation.refresh();
    }, MESSAGES_MS);
  }

  /** To be called when the element is on the page: a terminal must be measured. */
  opened(): void {
    this.terminal.open();
  }

  /** Takes the agent's new state. */
  render(agent: Agent): void {
    if (this.agent.status === "stopped" && agent.status !== "stopped") this.terminal.revive();
    this.agent = agent;
    this.title.textContent = agent.name;
    this.status.className = `badge ${agent.stale ? "stale" : agent.status}`;
    this.status.textContent = statusText(agent);
    this.subtitle.textContent = [agent.type, agent.model, agent.role, agent.runtime, agent.workdir].filter(Boolean).join(" · ");
    const ended = agent.exit && `Ended: ${agent.exit.reason}${ending(agent.exit)}`;
    this.trouble.textContent = agent.error ? `${agent.error.code}: ${agent.error.message}` : (ended ?? "");
    this.trouble.hidden = this.trouble.textContent === "";
    this.trouble.classList.toggle("failed", agent.error !== undefined || agent.exit?.reason !== "stopped");
    const gone = agent.status === "stopped";
    this.buttons.interrupt.disabled = agent.stale === true || agent.status !== "busy";
    this.buttons.stop.disabled = agent.stale === true || gone;
    this.buttons.restart.disabled = agent.stale === true;
    this.banner.render(agent);
    this.conversation.render(agent);
    renderActivity(this.events, agent.id);
    this.renderFacts(agent);
  }

  /** Takes one event of the stream. */
  onEvent(event: AgentEvent): void {
    const id = event.data.agent?.id ?? event.data.message?.agentId;
    if (id === this.agent.id) void this.conversation.refresh();
  }

  close(): void {
    clearInterval(this.poll);
    this.terminal.close();
    this.element.remove();
  }

  private button(label: string, title: string, action: (id: string) => Promise<Agent>, sure?: string): HTMLButtonElement {
    const button = el("button", { type: "button", textContent: label, title });
    button.addEventListener("click", async () => {
      if (sure !== undefined && !confirm(sure)) return;
      button.disabled = true;
      await attempt(async () => putAgent(await action(this.agent.id)));
      this.render(this.agent);
    });
    return button;
  }

  private renderFacts(agent: Agent): void {
    const labels = Object.entries(agent.labels).map(([key, value]) => `${key}=${value}`);
    const facts: [string, string | Node | undefined][] = [
      ["Id", el("code", { textContent: agent.id })],
      ["Runtime", agent.runtime],
      ["Working directory", agent.workdir && el("code", { textContent: agent.workdir })],
      ["Capabilities", agent.capabilities.join(", ")],
      ["Labels", labels.join(", ")],
      ["Messages waiting", String(agent.queued)],
      ["Spawned", clock(agent.createdAt)],
      ["Changed", clock(agent.updatedAt)],
    ];
    const shown = facts.filter(([, value]) => value !== undefined && value !== "");
    fill(this.facts, ...shown.flatMap(([name, value]) => [el("dt", { textContent: name }), el("dd", {}, value)]));
  }
}

function ending({ code, signal }: NonNullable<Agent["exit"]>): string {
  if (signal !== undefined) return `, signal ${signal}`;
  return code === undefined ? "" : `, exit code ${code}`;
}

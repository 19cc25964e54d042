// The messages of one agent, and the box that sends one.

import { type Agent, type Message, listMessages, send } from "./api";
import { clock, el, fill } from "./dom";
import { attempt } from "./toast";

/** The conversation of one agent. */
export class Conversation {
  readonly element: HTMLElement;
  private readonly list = el("ol", { className: "messages", attrs: { "aria-label": "Messages", "aria-live": "polite" } });
  private readonly box = el("textarea", {
    rows: 3,
    placeholder: "Message the agent",
    attrs: { "aria-label": "Message", "aria-keyshortcuts": "Enter" },
  });
  private readonly button = el("button", { type: "submit", className: "primary", textContent: "Send" });
  /** Whether the newest message is in view: then it stays there, whatever comes or takes room. */
  private atEnd = true;
  private shown = "";

  constructor(private readonly agentId: string) {
    const form = el(
      "form",
      { className: "send-form" },
      this.box,
      el("div", { className: "send-row" }, el("span", { className: "hint", textContent: "Enter sends, Shift+Enter breaks the line" }), this.button),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.send();
    });
    this.box.addEventListener("keydown", (event) => {
      // While a word is being composed (Japanese, Chinese, …) Enter belongs to that.
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    this.list.addEventListener("scroll", () => {
      this.atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    });
    new ResizeObserver(() => this.keepEnd()).observe(this.list);
    this.element = el("div", { className: "conversation" }, this.list, form);
  }

  render(agent: Agent): void {
    const ended = agent.status === "stopped" || agent.stale === true;
    this.box.disabled = ended;
    this.button.disabled = ended;
    this.box.placeholder = ended ? "The agent cannot take messages now" : "Message the agent";
  }

  focus(): void {
    this.box.focus();
  }

  /** Asks for the messages again. */
  async refresh(): Promise<void> {
    let messages: Message[];
    try {
      messages = await listMessages(this.agentId);
    } catch {
      return; // the runtime is away, which the header says already
    }
    const key = JSON.stringify(messages.map(({ id, state, content }) => [id, state, content.length]));
    if (key === this.shown) return;
    this.shown = key;
    fill(this.list, ...messages.map(bubble));
    if (messages.length === 0) this.list.append(el("li", { className: "empty", textContent: "No messages yet." }));
    this.keepEnd();
  }

  private keepEnd(): void {
    if (this.atEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  private async send(): Promise<void> {
    const text = this.box.value;
    if (text.trim() === "" || this.button.disabled) return;
    this.button.disabled = true;
    const sent = await attempt(async () => {
      await send(this.agentId, text);
      await this.refresh();
    });
    if (sent) this.box.value = "";
    this.button.disabled = false;
  }
}

const STATES: Record<NonNullable<Message["state"]>, string> = {
  accepted: "waiting",
  typed: "typed",
  taken: "taken",
  answered: "answered",
  failed: "failed",
};

function bubble(message: Message): HTMLElement {
  const state = message.state && STATES[message.state];
  return el(
    "li",
    { className: `message ${message.role}` },
    el(
      "p",
      { className: "message-head" },
      message.role === "user" ? "You" : "Agent",
      " · ",
      clock(message.timestamp),
      state && el("span", { className: `message-state ${message.state}`, textContent: ` · ${state}` }),
      message.interrupted && " · interrupted",
    ),
    el("div", { className: "message-text", textContent: message.content }),
    message.failure && el("p", { className: "message-failure", textContent: message.failure }),
  );
}

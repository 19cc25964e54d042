// What a person is needed for: a login, or a question with its options.

import { type Agent, answer } from "./api";
import { el, fill, webLink } from "./dom";
import { putAgent } from "./store";
import { attempt } from "./toast";

/** The banner above the terminal; empty while nobody is needed. */
export class AttentionBanner {
  readonly element = el("section", { className: "attention", hidden: true, attrs: { "aria-live": "polite", "aria-label": "The agent needs you" } });
  private shown: string | undefined;

  render(agent: Agent): void {
    const { attention } = agent;
    // Drawn once an occasion: a person may be typing into it.
    const key = attention && `${attention.id}/${attention.loginUrl ?? ""}/${attention.options?.length ?? 0}`;
    if (key === this.shown) return;
    this.shown = key;
    this.element.hidden = !attention;
    if (!attention) return fill(this.element);

    const reply = (value: { option: string } | { text: string }) =>
      attempt(async () => putAgent(await answer(agent.id, value)));
    const text = el("input", { placeholder: "An answer of your own", attrs: { "aria-label": "An answer of your own" } });
    fill(
      this.element,
      el("h3", { textContent: attention.kind === "login" ? "Log in to go on" : "The agent asks" }),
      el("pre", { className: "attention-text", textContent: attention.text }),
      attention.loginUrl && el("p", { className: "login-url" }, webLink(attention.loginUrl)),
      el(
        "div",
        { className: "options" },
        ...(attention.options ?? []).map(({ id, label }) =>
          el("button", { type: "button", textContent: label, title: `option: ${id}`, on: { click: () => reply({ option: id }) } }),
        ),
        el(
          "form",
          {
            className: "inline-form",
            on: {
              submit: (event: Event) => {
                event.preventDefault();
                if (text.value !== "") void reply({ text: text.value });
              },
            },
          },
          text,
          el("button", { type: "submit", textContent: attention.kind === "login" ? "Send code" : "Answer" }),
        ),
      ),
    );
  }
}

// Asks for the token when the server wants one.

import { el } from "./dom";

export function tokenDialog(): { element: HTMLDialogElement; ask: () => Promise<string> } {
  const input = el("input", { type: "password", required: true, autocomplete: "current-password", spellcheck: false });
  const form = el(
    "form",
    { method: "dialog", className: "form" },
    el("h2", { id: "token-title", textContent: "This server wants a token" }),
    el("p", { className: "muted", textContent: "It is the value of PARALLAX_API_TOKEN there. It is kept until this tab is closed." }),
    el("label", { className: "field" }, el("span", { textContent: "Token" }), input),
    el("div", { className: "form-actions" }, el("button", { type: "submit", className: "primary", textContent: "Continue" })),
  );
  const element = el("dialog", { className: "dialog", attrs: { "aria-labelledby": "token-title" } }, form);
  // Without a token there is nothing to see: Escape does not lead anywhere.
  element.addEventListener("cancel", (event) => event.preventDefault());
  const ask = (): Promise<string> =>
    new Promise((told) => {
      input.value = "";
      element.showModal();
      form.onsubmit = () => told(input.value.trim());
    });
  return { element, ask };
}

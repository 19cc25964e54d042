// The form that spawns an agent.

import { Problem, spawn } from "./api";
import { el } from "./dom";
import { putAgent, selectAgent, state } from "./store";

/** The dialog; `show` opens it. */
export function spawnDialog(): { element: HTMLDialogElement; show: () => void } {
  const name = el("input", { name: "name", required: true, maxLength: 63, placeholder: "code-reviewer" });
  const type = el("select", { name: "type", required: true });
  const runtime = el("select", { name: "runtime" });
  const workdir = el("input", { name: "workdir", placeholder: "the runtime's own", spellcheck: false });
  const model = el("input", { name: "model", placeholder: "the CLI's own", spellcheck: false });
  const approvals = el(
    "select",
    { name: "approvals" },
    el("option", { value: "ask", textContent: "ask before each action" }),
    el("option", { value: "edits", textContent: "edit files unasked" }),
    el("option", { value: "all", textContent: "do everything unasked" }),
  );
  const prompt = el("textarea", { name: "prompt", rows: 3, placeholder: "Sent once the agent is ready" });
  const capabilities = el("input", { name: "capabilities", placeholder: "code_review, testing" });
  const env = el("textarea", { name: "env", rows: 2, placeholder: "KEY=value, one a line. Never shown again.", spellcheck: false });
  const failure = el("p", { className: "form-error", hidden: true, attrs: { role: "alert" } });
  const submit = el("button", { type: "submit", className: "primary", textContent: "Spawn" });

  const dialog = el("dialog", { className: "dialog", attrs: { "aria-labelledby": "spawn-title" } });
  const form = el(
    "form",
    { method: "dialog", className: "form" },
    el("h2", { textContent: "Spawn an agent", id: "spawn-title" }),
    field("Name", name),
    el("div", { className: "pair" }, field("Type", type), field("Runtime", runtime)),
    field("Working directory", workdir),
    el("div", { className: "pair" }, field("Model", model), field("Approvals", approvals)),
    field("First message", prompt),
    el(
      "details",
      {},
      el("summary", { textContent: "More" }),
      field("Capabilities", capabilities),
      field("Environment", env),
    ),
    failure,
    el(
      "div",
      { className: "form-actions" },
      el("button", { type: "button", textContent: "Cancel", on: { click: () => dialog.close() } }),
      submit,
    ),
  );
  dialog.append(form);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    failure.hidden = true;
    submit.disabled = true;
    try {
      const agent = await spawn({
        name: name.value.trim(),
        type: type.value,
        ...given("runtime", runtime.value),
        ...given("workdir", workdir.value.trim()),
        ...given("model", model.value.trim()),
        approvals: approvals.value,
        ...given("prompt", prompt.value.trim()),
        capabilities: capabilities.value.split(",").map((word) => word.trim()).filter(Boolean),
        env: variables(env.value),
      });
      putAgent(agent);
      selectAgent(agent.id);
      form.reset();
      dialog.close();
    } catch (error) {
      failure.textContent = error instanceof Problem ? `${error.code}: ${error.message}` : String(error);
      failure.hidden = false;
    } finally {
      submit.disabled = false;
    }
  });

  const show = (): void => {
    type.replaceChildren(...types());
    runtime.replaceChildren(
      el("option", { value: "", textContent: "whichever fits" }),
      ...state.runtimes.map((place) =>
        el("option", { value: place.name, textContent: place.healthy ? place.name : `${place.name} (away)` }),
      ),
    );
    failure.hidden = true;
    dialog.showModal();
    name.focus();
  };
  return { element: dialog, show };
}

/** Every type that some runtime knows; those that none can run say so. */
function types(): HTMLOptionElement[] {
  const available = new Map<string, boolean>();
  for (const runtime of state.runtimes)
    for (const { name, available: here } of runtime.types) available.set(name, here || (available.get(name) ?? false));
  if (available.size === 0) for (const name of ["claude", "codex", "gemini"]) available.set(name, true);
  return [...available].map(([name, can]) =>
    el("option", { value: name, textContent: can ? name : `${name} (not installed)` }),
  );
}

function field(label: string, input: HTMLElement): HTMLElement {
  return el("label", { className: "field" }, el("span", { textContent: label }), input);
}

const given = (key: string, value: string): Record<string, string> => (value === "" ? {} : { [key]: value });

function variables(text: string): Record<string, string> {
  const lines = text.split("\n").filter((line) => line.includes("="));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")).trim(), line.slice(line.indexOf("=") + 1)]));
}

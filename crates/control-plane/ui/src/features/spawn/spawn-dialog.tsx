// The form that spawns an agent.

import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useState } from "react";
import { spawn } from "../../api/agents";
import { inWords } from "../../api/problem";
import type { Approvals, SpawnRequest } from "../../api/types";
import { putAgents } from "../../server-state/agents";
import { typesOf, useRuntimes } from "../../server-state/runtimes";
import { Modal } from "../../ui/modal";
import { keepWorkdir, recentWorkdirs } from "./recent";
import { listOf, variablesOf } from "./fields";

/** What is offered before a runtime has said what it can run. */
const USUAL_TYPES = ["claude", "codex", "gemini"].map((name) => ({ name, available: true, reason: undefined }));

export function SpawnDialog({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  return (
    <Modal open={open} onOpenChange={onOpenChange} title="Spawn an agent">
      <SpawnForm close={() => onOpenChange(false)} />
    </Modal>
  );
}

function SpawnForm({ close }: { close: () => void }) {
  const { data: runtimes = [] } = useRuntimes();
  const navigate = useNavigate();
  const known = typesOf(runtimes);
  const types = known.length > 0 ? known : USUAL_TYPES;
  const [type, setType] = useState<string>();
  const chosen = types.find(({ name }) => name === type) ?? types.find(({ available }) => available) ?? types[0];
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<string>();

  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const request = requestOf(new FormData(event.currentTarget));
    setBusy(true);
    setRefusal(undefined);
    try {
      const agent = await spawn(request);
      if (request.workdir) keepWorkdir(request.workdir);
      putAgents([agent]);
      close();
      await navigate({ to: "/agents/$id", params: { id: agent.id } });
    } catch (error) {
      setRefusal(inWords(error));
      setBusy(false);
    }
  };
  return (
    <form className="form" onSubmit={(event) => void submit(event)}>
      <Field label="Name">
        <input name="name" required maxLength={63} placeholder="code-reviewer" autoComplete="off" />
      </Field>
      <div className="pair">
        <Field label="Type">
          <select name="type" required value={chosen?.name} onChange={(event) => setType(event.target.value)}>
            {types.map(({ name, available }) => (
              <option key={name} value={name}>
                {available ? name : `${name} (cannot run)`}
              </option>
            ))}
          </select>
        </Field>
        <Field label="Runtime">
          <select name="runtime">
            <option value="">whichever fits</option>
            {runtimes.map(({ name, healthy }) => (
              <option key={name} value={name}>
                {healthy ? name : `${name} (away)`}
              </option>
            ))}
          </select>
        </Field>
      </div>
      {chosen && !chosen.available && <p className="hint">{chosen.reason ?? "No runtime can run this type."}</p>}
      <Field label="Working directory">
        <input name="workdir" placeholder="the runtime's own" spellCheck={false} list="recent-workdirs" />
      </Field>
      <datalist id="recent-workdirs">
        {recentWorkdirs().map((path) => (
          <option key={path} value={path} />
        ))}
      </datalist>
      <div className="pair">
        <Field label="Model">
          <input name="model" placeholder="the CLI's own" spellCheck={false} />
        </Field>
        <Field label="Approvals">
          <select name="approvals">
            <option value="ask">ask before each action</option>
            <option value="edits">edit files unasked</option>
            <option value="all">do everything unasked</option>
          </select>
        </Field>
      </div>
      <Field label="First message">
        <textarea name="prompt" rows={3} placeholder="Sent once the agent is ready" />
      </Field>
      <details>
        <summary>More</summary>
        <div className="pair">
          <Field label="Role">
            <input name="role" />
          </Field>
          <Field label="Capabilities">
            <input name="capabilities" placeholder="code_review, testing" />
          </Field>
        </div>
        <Field label="Labels">
          <input name="labels" placeholder="team=core, sprint=12" />
        </Field>
        <Field label="Environment">
          <textarea name="env" rows={2} placeholder="KEY=value, one a line. Never shown again." spellCheck={false} />
        </Field>
      </details>
      {refusal && (
        <p className="form-error" role="alert">
          {refusal}
        </p>
      )}
      <div className="form-actions">
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="submit" className="primary" disabled={busy}>
          {busy ? "Spawning …" : "Spawn"}
        </button>
      </div>
    </form>
  );
}

function Field({ label, children }: { label: string; children: ReactNode }) {
  return (
    <label className="field">
      <span>{label}</span>
      {children}
    </label>
  );
}

/** What the form asks for; what was left empty is left out. */
function requestOf(form: FormData): SpawnRequest {
  const text = (name: string): string => String(form.get(name) ?? "").trim();
  const given = <K extends keyof SpawnRequest>(name: K): Partial<SpawnRequest> => (text(name) === "" ? {} : { [name]: text(name) });
  return {
    name: text("name"),
    type: text("type"),
    approvals: text("approvals") as Approvals,
    ...given("runtime"),
    ...given("workdir"),
    ...given("model"),
    ...given("prompt"),
    ...given("role"),
    capabilities: listOf(text("capabilities")),
    labels: variablesOf(listOf(text("labels"))),
    env: variablesOf(String(form.get("env") ?? "").split("\n")),
  };
}

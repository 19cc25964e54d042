// The form that starts a run, made from what the pattern wants to be told.

import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { Attempt } from "../../api/attempt";
import { inWords } from "../../api/problem";
import { execute } from "../../api/runs";
import type { Pattern, PatternInput } from "../../api/types";
import { keys, store } from "../../server-state/store";

export function StartForm({ pattern, close }: { pattern: Pattern; close: () => void }) {
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<string>();
  const [attempt] = useState(() => new Attempt());
  const inputs = Object.entries(pattern.inputs);
  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string): string => String(form.get(name) ?? "");
    const given = inputs.flatMap(([name, input]) => {
      const value = valueOf(input, text(`input.${name}`));
      return value === undefined ? [] : [[name, value] as const];
    });
    const workdir = text("workdir").trim();
    setBusy(true);
    setRefusal(undefined);
    try {
      const request = { input: Object.fromEntries(given), ...(workdir === "" ? {} : { workdir }) };
      const { executionId } = await execute(pattern.name, request, attempt);
      void store.invalidateQueries({ queryKey: keys.runs });
      close();
      await navigate({ to: "/runs/$id", params: { id: executionId } });
    } catch (error) {
      setRefusal(inWords(error));
      setBusy(false);
    }
  };
  return (
    <form className="form" onSubmit={(event) => void submit(event)}>
      {pattern.description && <p className="muted">{pattern.description}</p>}
      {inputs.map(([name, input]) => (
        <InputField key={name} name={name} input={input} />
      ))}
      <label className="field">
        <span>Working directory</span>
        <input name="workdir" placeholder="the runtime's own" spellCheck={false} />
      </label>
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
          Run
        </button>
      </div>
    </form>
  );
}

function InputField({ name, input }: { name: string; input: PatternInput }) {
  const common = { name: `input.${name}`, required: input.required };
  return (
    <label className="field">
      <span>
        {name}
        {input.description && ` (${input.description})`}
        {!input.required && ", optional"}
      </span>
      {input.type === "boolean" ? (
        <select {...common}>
          {!input.required && <option value="">as the pattern has it</option>}
          <option value="true">yes</option>
          <option value="false">no</option>
        </select>
      ) : input.type === "number" ? (
        <input {...common} type="number" step="any" />
      ) : (
        <textarea {...common} rows={3} />
      )}
    </label>
  );
}

/** What a field says; nothing when it was left empty. */
function valueOf({ type, required }: PatternInput, text: string): unknown {
  if (text === "" && !required) return undefined;
  if (type === "number") return Number(text);
  return type === "boolean" ? text === "true" : text;
}

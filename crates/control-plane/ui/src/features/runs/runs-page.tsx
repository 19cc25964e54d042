// The library of patterns and the runs of them.

import { Link, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { addPattern, execute } from "../../api/runs";
import { Problem, inWords } from "../../api/problem";
import type { Pattern, PatternInput, RunSummary } from "../../api/types";
import { usePatterns, useRuns } from "../../server-state/runs";
import { keys, store } from "../../server-state/store";
import { Modal } from "../../ui/modal";
import { Empty, Failed, Loading } from "../../ui/states";
import { Clock } from "../../ui/time";
import { RunBadge } from "./run-badge";

export function RunsPage() {
  const patterns = usePatterns();
  const runs = useRuns();
  const [starting, setStarting] = useState<Pattern>();
  const [adding, setAdding] = useState(false);
  return (
    <div className="page">
      <header className="page-head">
        <h1>Patterns</h1>
        <button type="button" onClick={() => setAdding(true)}>
          Add a pattern
        </button>
      </header>
      {patterns.error && !patterns.data ? (
        <Failed error={patterns.error} retry={patterns.refetch} />
      ) : !patterns.data ? (
        <Loading what="the library" />
      ) : patterns.data.length === 0 ? (
        <Empty>
          The library is empty. A pattern is a team and what it does, in a YAML file; <code>parallax run FILE</code> puts one here, too.
        </Empty>
      ) : (
        <ul className="cards">
          {patterns.data.map((pattern) => (
            <li key={pattern.name} className="card">
              <div className="card-head">
                <strong>{pattern.name}</strong>
                {pattern.version && <span className="muted">{pattern.version}</span>}
              </div>
              {pattern.description && <p>{pattern.description}</p>}
              <p className="muted">
                {Object.keys(pattern.inputs).length === 0 ? "needs no input" : `needs ${Object.keys(pattern.inputs).join(", ")}`}
              </p>
              <div className="form-actions">
                <button type="button" className="primary" onClick={() => setStarting(pattern)}>
                  Run …
                </button>
              </div>
            </li>
          ))}
        </ul>
      )}
      <h1>Runs</h1>
      {runs.error && !runs.data ? (
        <Failed error={runs.error} retry={runs.refetch} />
      ) : !runs.data ? (
        <Loading what="runs" />
      ) : runs.data.length === 0 ? (
        <Empty>Nothing has been run yet.</Empty>
      ) : (
        <RunList runs={runs.data} />
      )}
      <Modal open={starting !== undefined} onOpenChange={(open) => open || setStarting(undefined)} title={`Run ${starting?.name ?? ""}`}>
        {starting && <StartForm pattern={starting} close={() => setStarting(undefined)} />}
      </Modal>
      <Modal open={adding} onOpenChange={setAdding} title="Add a pattern">
        <AddForm close={() => setAdding(false)} />
      </Modal>
    </div>
  );
}

function RunList({ runs }: { runs: RunSummary[] }) {
  return (
    <ul className="run-list">
      {runs.map((run) => (
        <li key={run.id}>
          <Link to="/runs/$id" params={{ id: run.id }} className="run-row">
            <RunBadge status={run.status} />
            <strong>{run.pattern}</strong>
            {run.questions > 0 && <span className="needs">asks</span>}
            <span className="muted">
              <Clock time={run.createdAt} />
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function StartForm({ pattern, close }: { pattern: Pattern; close: () => void }) {
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<string>();
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
      const { executionId } = await execute(pattern.name, request);
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

function AddForm({ close }: { close: () => void }) {
  const [source, setSource] = useState("");
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<unknown>();
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setRefusal(undefined);
    try {
      await addPattern(source);
      await store.invalidateQueries({ queryKey: keys.patterns });
      close();
    } catch (error) {
      setRefusal(error);
      setBusy(false);
    }
  };
  const findings = refusal instanceof Problem ? (refusal.body.errors ?? []) : [];
  return (
    <form className="form" onSubmit={(event) => void submit(event)}>
      <input
        type="file"
        accept=".yaml,.yml,.json"
        aria-label="A pattern file"
        onChange={(event) => void event.target.files?.[0]?.text().then(setSource)}
      />
      <label className="field">
        <span>The file (YAML)</span>
        <textarea className="mono" rows={14} required spellCheck={false} value={source} onChange={(event) => setSource(event.target.value)} />
      </label>
      {refusal !== undefined && (
        <div className="form-error" role="alert">
          {findings.length === 0
            ? inWords(refusal)
            : findings.map(({ line, column, field, message, suggestion }) => (
                <p key={`${line}:${column}:${message}`}>
                  Line {line}, {field}: {message} {suggestion}
                </p>
              ))}
        </div>
      )}
      <div className="form-actions">
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="submit" className="primary" disabled={busy}>
          Add
        </button>
      </div>
    </form>
  );
}

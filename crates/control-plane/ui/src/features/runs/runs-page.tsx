// The library of patterns and the runs of them.

import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { deletePattern, getPattern } from "../../api/runs";
import type { Pattern, RunSummary, StoredPattern } from "../../api/types";
import { usePatterns, useRuns } from "../../server-state/runs";
import { keys, store } from "../../server-state/store";
import { ConfirmButton, Modal } from "../../ui/modal";
import { Empty, Failed, Loading } from "../../ui/states";
import { attempt } from "../../ui/toasts";
import { Clock } from "../../ui/time";
import { useMayOperate } from "../session/scope";
import { AddForm } from "./add-form";
import { RunBadge } from "./run-badge";
import { StartForm } from "./start-form";

export function RunsPage() {
  const patterns = usePatterns();
  const runs = useRuns();
  const mayOperate = useMayOperate();
  // A form may be asked for by the address.
  const { start, add } = useSearch({ from: "/runs" });
  const navigate = useNavigate();
  const starting = mayOperate ? patterns.data?.find(({ name }) => name === start) : undefined;
  const setStarting = (pattern: Pattern | undefined): void => void navigate({ to: ".", search: (search) => ({ ...search, start: pattern?.name }), replace: pattern === undefined });
  const [editing, setEditing] = useState<StoredPattern>();
  const setAdding = (on: boolean): void => void navigate({ to: ".", search: (search) => ({ ...search, add: on ? true : undefined }), replace: !on });
  return (
    <div className="page">
      <header className="page-head">
        <h1>Patterns</h1>
        {mayOperate && (
          <button type="button" onClick={() => setAdding(true)}>
            Add a pattern
          </button>
        )}
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
              {mayOperate && (
                <div className="form-actions">
                  <ConfirmButton
                    label="Delete"
                    title="Delete the pattern"
                    question={`Delete ${pattern.name}?`}
                    explanation="Its runs go on, and stay."
                    action={() =>
                      attempt(async () => {
                        await deletePattern(pattern.name);
                        await store.invalidateQueries({ queryKey: keys.patterns });
                      })
                    }
                  />
                  <button type="button" onClick={() => void attempt(async () => setEditing(await getPattern(pattern.name)))}>
                    Edit
                  </button>
                  <button type="button" className="primary" onClick={() => setStarting(pattern)}>
                    Run …
                  </button>
                </div>
              )}
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
      <Modal open={editing !== undefined} onOpenChange={(open) => open || setEditing(undefined)} title={`Edit ${editing?.name ?? ""}`} wide>
        {editing && <AddForm close={() => setEditing(undefined)} known={editing} />}
      </Modal>
      <Modal open={add === true && mayOperate} onOpenChange={setAdding} title="Add a pattern" wide>
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

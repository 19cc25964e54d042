// The form that adds a pattern: a file, or written here. What is wrong with it is said by line.

import { type FormEvent, useState } from "react";
import { Problem, inWords } from "../../api/problem";
import { addPattern } from "../../api/runs";
import { keys, store } from "../../server-state/store";

export function AddForm({ close }: { close: () => void }) {
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

// The form that adds a pattern, or replaces one: a file, or written here.

import { type FormEvent, useState } from "react";
import { Problem, inWords } from "../../api/problem";
import { addPattern, replacePattern } from "../../api/runs";
import { keys, store } from "../../server-state/store";
import { PatternFile } from "./pattern-file";

export function AddForm({ close, known }: { close: () => void; known?: { name: string; source: string } | undefined }) {
  const [source, setSource] = useState(known?.source ?? "");
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<unknown>();
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setRefusal(undefined);
    try {
      await (known ? replacePattern(known.name, source) : addPattern(source));
      await store.invalidateQueries({ queryKey: keys.patterns });
      close();
    } catch (error) {
      setRefusal(error);
      setBusy(false);
    }
  };
  // What is wrong with the file stands at its lines.
  const isOfLines = refusal instanceof Problem && (refusal.body.errors ?? []).length > 0;
  return (
    <form className="form" onSubmit={(event) => void submit(event)}>
      <input type="file" accept=".yaml,.yml,.json" aria-label="A pattern file" onChange={(event) => void event.target.files?.[0]?.text().then(setSource)} />
      <PatternFile source={source} onChange={setSource} />
      {refusal !== undefined && !isOfLines && (
        <p className="form-error" role="alert">
          {inWords(refusal)}
        </p>
      )}
      <div className="form-actions">
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="submit" className="primary" disabled={busy}>
          {known ? "Replace" : "Add"}
        </button>
      </div>
    </form>
  );
}

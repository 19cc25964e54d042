// Keeps what the form says as a preset.

import { useState } from "react";
import { inWords } from "../../api/problem";
import { putPreset } from "../../api/presets";
import type { PresetRequest, SpawnRequest } from "../../api/types";
import { keys, store } from "../../server-state/store";
import { toast } from "../../ui/toasts";
import { presetOf } from "./request";

export function SavePreset({ name: current, request }: { name: string; request: () => SpawnRequest }) {
  const [name, setName] = useState(current);
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<string>();
  const save = async (): Promise<void> => {
    setBusy(true);
    setRefusal(undefined);
    try {
      await putPreset(name, { spawn: presetOf(request()) } as PresetRequest);
      await store.invalidateQueries({ queryKey: keys.presets });
      toast(`Kept as the preset ${name}.`);
    } catch (error) {
      setRefusal(inWords(error));
    }
    setBusy(false);
  };
  return (
    <>
      <div className="inline-form">
        <input aria-label="Keep as" placeholder="keep as a preset, under a name" value={name} onChange={(event) => setName(event.target.value)} spellCheck={false} autoComplete="off" maxLength={63} />
        <button type="button" disabled={busy || name === ""} onClick={() => void save()}>
          Keep as preset
        </button>
      </div>
      {refusal && (
        <p className="form-error" role="alert">
          {refusal}
        </p>
      )}
    </>
  );
}

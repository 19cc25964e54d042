// The form that spawns an agent, from nothing or from a preset.

import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useRef, useState } from "react";
import { spawn } from "../../api/agents";
import { Attempt } from "../../api/attempt";
import { inWords } from "../../api/problem";
import { useAgents, putAgents } from "../../server-state/agents";
import { usePresets } from "../../server-state/presets";
import { typesOf, useRuntimes } from "../../server-state/runtimes";
import { Modal } from "../../ui/modal";
import { Failed, Loading } from "../../ui/states";
import { keepWorkdir, recentWorkdirs } from "./recent";
import { type PresetSpawn, type Place, pairs, placeOf, requestOf } from "./request";
import { SavePreset } from "./save-preset";

/** What is offered before a runtime has said what it can run. */
const USUAL_TYPES = ["claude", "codex", "gemini"].map((name) => ({ name, available: true, reason: undefined }));
const NOTHING: PresetSpawn = {};

export function SpawnDialog({ open, onOpenChange, preset }: { open: boolean; onOpenChange: (open: boolean) => void; preset?: string | undefined }) {
  return (
    <Modal open={open} onOpenChange={onOpenChange} title="Spawn an agent">
      <Chooser close={() => onOpenChange(false)} initial={preset} />
    </Modal>
  );
}

function Chooser({ close, initial }: { close: () => void; initial: string | undefined }) {
  const { data: presets = [] } = usePresets();
  const [name, setName] = useState(initial ?? "");
  const preset = presets.find((known) => known.name === name);
  return (
    <>
      {presets.length > 0 && (
        <Field label="Preset">
          <select value={preset ? name : ""} onChange={(event) => setName(event.target.value)}>
            <option value="">none</option>
            {presets.map((known) => (
              <option key={known.name} value={known.name}>
                {known.name}
              </option>
            ))}
          </select>
        </Field>
      )}
      {preset?.description && <p className="hint">{preset.description}</p>}
      <SpawnForm key={preset?.name ?? ""} close={close} preset={(preset?.spawn as PresetSpawn | undefined) ?? NOTHING} presetName={preset?.name ?? ""} />
    </>
  );
}

function SpawnForm({ close, preset, presetName }: { close: () => void; preset: PresetSpawn; presetName: string }) {
  const { data: runtimes = [], error, isPending, refetch } = useRuntimes();
  const navigate = useNavigate();
  const form = useRef<HTMLFormElement>(null);
  const known = typesOf(runtimes);
  const types = known.length > 0 ? known : USUAL_TYPES;
  const [type, setType] = useState<string | undefined>(preset.type || undefined);
  const chosen = types.find(({ name }) => name === type) ?? (type ? { name: type, available: false, reason: "No runtime knows this type." } : undefined) ?? types.find(({ available }) => available) ?? types[0];
  const offered = chosen && !types.some(({ name }) => name === chosen.name) ? [chosen, ...types] : types;
  const [place, setPlace] = useState<Place>(placeOf(preset));
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<string>();
  const [attempt] = useState(() => new Attempt());

  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const request = requestOf(new FormData(event.currentTarget), preset);
    setBusy(true);
    setRefusal(undefined);
    try {
      const agent = await spawn(request, attempt);
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
    <form className="form" ref={form} onSubmit={(event) => void submit(event)}>
      <Field label="Name">
        <input name="name" required maxLength={63} placeholder="code-reviewer" autoComplete="off" />
      </Field>
      <div className="pair">
        <Field label="Type">
          <select name="type" required value={chosen?.name} onChange={(event) => setType(event.target.value)}>
            {offered.map(({ name, available }) => (
              <option key={name} value={name}>
                {available ? name : `${name} (cannot run)`}
              </option>
            ))}
          </select>
        </Field>
        <Field label="Runtime">
          <select name="runtime" defaultValue={preset.runtime ?? ""}>
            <option value="">whichever fits</option>
            {runtimes.map(({ name, healthy }) => (
              <option key={name} value={name}>
                {healthy ? name : `${name} (away)`}
              </option>
            ))}
          </select>
        </Field>
      </div>
      {error ? <Failed error={error} retry={refetch} /> : isPending && <Loading what="runtimes" />}
      {chosen && !chosen.available && <p className="hint">{chosen.reason ?? "No runtime can run this type."}</p>}
      <PlaceFields place={place} setPlace={setPlace} preset={preset} />
      <div className="pair">
        <Field label="Model">
          <input name="model" placeholder="the CLI's own" spellCheck={false} defaultValue={preset.model ?? ""} />
        </Field>
        <Field label="Approvals">
          <select name="approvals" defaultValue={preset.approvals ?? "ask"}>
            <option value="ask">ask before each action</option>
            <option value="edits">edit files unasked</option>
            <option value="all">do everything unasked</option>
          </select>
        </Field>
      </div>
      <Field label="First message">
        <textarea name="prompt" rows={3} placeholder="Sent once the agent is ready" defaultValue={preset.prompt ?? ""} />
      </Field>
      <details>
        <summary>More</summary>
        <div className="pair">
          <Field label="Role">
            <input name="role" defaultValue={preset.role ?? ""} />
          </Field>
          <Field label="Capabilities">
            <input name="capabilities" placeholder="code_review, testing" defaultValue={preset.capabilities?.join(", ") ?? ""} />
          </Field>
        </div>
        <div className="pair">
          <Field label="Labels">
            <input name="labels" placeholder="team=core, sprint=12" defaultValue={pairs(preset.labels, ", ")} />
          </Field>
          <Field label="Image">
            <input name="image" placeholder="where the runtime has images" spellCheck={false} defaultValue={preset.image ?? ""} />
          </Field>
        </div>
        <Field label="Environment">
          <textarea name="env" rows={2} placeholder="KEY=value, one a line. Never shown again." spellCheck={false} defaultValue={pairs(preset.env, "\n")} />
        </Field>
        <SavePreset name={presetName} request={() => requestOf(new FormData(form.current!), preset)} />
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

/** A directory, or a checkout of a repository that is the agent's own. */
function PlaceFields({ place, setPlace, preset }: { place: Place; setPlace: (place: Place) => void; preset: PresetSpawn }) {
  const agents = [...(useAgents().data?.values() ?? [])];
  const repositories = [...new Set(agents.flatMap(({ workspace }) => workspace?.repo ?? []))];
  return (
    <>
      <fieldset className="place">
        <legend className="muted">Works in</legend>
        <label className="choice">
          <input type="radio" name="place" value="directory" checked={place === "directory"} onChange={() => setPlace("directory")} />
          <span>a directory</span>
        </label>
        <label className="choice">
          <input type="radio" name="place" value="repository" checked={place === "repository"} onChange={() => setPlace("repository")} />
          <span>a git checkout of its own</span>
        </label>
      </fieldset>
      {place === "directory" ? (
        <Field label="Working directory">
          <input name="workdir" placeholder="the runtime's own" spellCheck={false} list="recent-workdirs" defaultValue={preset.workdir ?? ""} />
        </Field>
      ) : (
        <>
          <Field label="Repository">
            <input name="repo" required placeholder="/path/of/a/git/repository" spellCheck={false} list="known-repositories" defaultValue={preset.workspace?.repo ?? ""} />
          </Field>
          <div className="pair">
            <Field label="New branch">
              <input name="branch" placeholder="parallax/NAME-ID" spellCheck={false} defaultValue={preset.workspace?.branch ?? ""} />
            </Field>
            <Field label="Begins with">
              <input name="ref" placeholder="what is checked out there" spellCheck={false} defaultValue={preset.workspace?.ref ?? ""} />
            </Field>
          </div>
        </>
      )}
      <datalist id="recent-workdirs">
        {recentWorkdirs().map((path) => (
          <option key={path} value={path} />
        ))}
      </datalist>
      <datalist id="known-repositories">
        {repositories.map((path) => (
          <option key={path} value={path} />
        ))}
      </datalist>
    </>
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

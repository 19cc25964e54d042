// The presets of the server, to look at and to delete.

import { deletePreset } from "../../api/presets";
import { keys, store } from "../../server-state/store";
import { usePresets } from "../../server-state/presets";
import { ConfirmButton } from "../../ui/modal";
import { Empty, Failed, Loading } from "../../ui/states";
import { attempt } from "../../ui/toasts";

export function Presets() {
  const { data: presets, error, refetch } = usePresets();
  if (!presets) return error ? <Failed error={error} retry={refetch} /> : <Loading what="presets" />;
  if (presets.length === 0) return <Empty>No presets. The form that spawns an agent keeps what it says as one, under “More”.</Empty>;
  return (
    <ul className="rows">
      {presets.map(({ name, description, spawn }) => (
        <li key={name} className="row">
          <strong>{name}</strong>
          <span className="muted">{[(spawn as { type?: string }).type, description].filter(Boolean).join(" · ")}</span>
          <ConfirmButton
            label="Delete"
            title="Delete the preset"
            question={`Delete the preset ${name}?`}
            explanation="Agents that were spawned with it are what they are. Patterns whose roles name it cannot spawn until there is one of this name again."
            action={() =>
              attempt(async () => {
                await deletePreset(name);
                await store.invalidateQueries({ queryKey: keys.presets });
              })
            }
          />
        </li>
      ))}
    </ul>
  );
}

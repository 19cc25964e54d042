// Which devices are told when somebody waits, this one among them.

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { deleteDevice, getPush } from "../../api/push";
import { keys, store } from "../../server-state/store";
import { Failed, Loading } from "../../ui/states";
import { attempt } from "../../ui/toasts";
import { mute, ownSubscription, subscribe, unsubscribe, whyNot } from "./subscription";

const refresh = (): Promise<void> => store.invalidateQueries({ queryKey: keys.devices });

export function Devices() {
  const { data, error, refetch } = useQuery({
    queryKey: keys.devices,
    queryFn: async () => ({ ...(await getPush()), own: await ownSubscription() }),
    staleTime: 0,
    structuralSharing: false,
  });
  const [busy, setBusy] = useState(false);
  const does = (action: () => Promise<unknown>) => async (): Promise<void> => {
    setBusy(true);
    await attempt(async () => {
      await action();
      await refresh();
    });
    setBusy(false);
  };
  if (!data) return error ? <Failed error={error} retry={refetch} /> : <Loading what="devices" />;
  const { devices, own } = data;
  const ownDevice = devices.find(({ id }) => id === own?.id);
  const why = whyNot();
  return (
    <>
      <p className="muted">Told when somebody waits, also while this page is closed. A message says how many wait, and nothing of what they ask.</p>
      {!ownDevice &&
        (why ? (
          <p className="hint">{why}</p>
        ) : (
          <p>
            <button type="button" disabled={busy} onClick={() => void does(subscribe)()}>
              Tell this device
            </button>
          </p>
        ))}
      {devices.length > 0 && (
        <ul className="rows" aria-label="Devices">
          {devices.map((device) => {
            const isOwn = device.id === own?.id;
            return (
              <li key={device.id} className="row">
                <strong>{device.label ?? device.service}</strong>
                <span className="muted">{[isOwn && "this device", device.service, device.muted && "muted"].filter(Boolean).join(" · ")}</span>
                {device.failure && <span className="form-error">{device.failure}</span>}
                <button type="button" disabled={busy} onClick={() => void does(() => (isOwn && own ? unsubscribe(own, true) : deleteDevice(device.id)))()}>
                  Remove
                </button>
                {isOwn && own && (
                  <button type="button" disabled={busy} aria-pressed={device.muted} onClick={() => void does(() => mute(own.subscription, !device.muted))()}>
                    {device.muted ? "Unmute" : "Mute"}
                  </button>
                )}
              </li>
            );
          })}
        </ul>
      )}
    </>
  );
}

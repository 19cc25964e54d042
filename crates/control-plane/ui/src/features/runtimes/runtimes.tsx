// The runtimes: how they are, how full they are, what they can run.

import type { Runtime } from "../../api/types";
import { useIsOld } from "../../server-state/connection";
import { useRuntimes } from "../../server-state/runtimes";
import { Empty, Failed, Loading } from "../../ui/states";

export function Runtimes() {
  const { data: runtimes, error, refetch } = useRuntimes();
  if (!runtimes) return error ? <Failed error={error} retry={refetch} /> : <Loading what="runtimes" />;
  if (runtimes.length === 0) return <Empty>No runtime is configured. `parallax up` starts one on this machine.</Empty>;
  return (
    <ul className="cards">
      {runtimes.map((runtime) => (
        <Card key={runtime.name} runtime={runtime} />
      ))}
    </ul>
  );
}

function Card({ runtime }: { runtime: Runtime }) {
  const { name, url, reason, healthy, agents, capacity, priority, types, workspaces } = runtime;
  const isOld = useIsOld();
  return (
    <li className="card">
      <div className="card-head">
        <span className={`dot ${healthy ? "ready" : "error"}`} aria-hidden="true" />
        <strong>{name}</strong>
        <span className="muted">{`${isOld ? "last known: " : ""}${healthy ? "healthy" : "away"}`}</span>
      </div>
      <p className="muted mono">{url}</p>
      {reason && <p className="reason">{reason}</p>}
      {workspaces?.warning && <p className="reason">{workspaces.warning}</p>}
      {healthy && (
        <>
          <meter min={0} max={100} value={capacity > 0 ? Math.min(100, (100 * agents) / capacity) : 0} aria-label="Agents of capacity" />
          <p>
            {agents} of {capacity} agents · priority {priority}
          </p>
        </>
      )}
      <p className="types">
        {types.map((type) => (
          <span key={type.name} className={type.available ? "type" : "type missing"} title={type.reason ?? undefined}>
            {type.name}
          </span>
        ))}
      </p>
    </li>
  );
}

/** The same in the head of the page. */
export function RuntimePills() {
  const { data: runtimes = [] } = useRuntimes();
  return (
    <ul className="runtime-pills" aria-label="Runtimes">
      {runtimes.map(({ name, healthy, reason }) => (
        <li key={name} className="pill" title={reason ?? undefined}>
          <span className={`dot ${healthy ? "ready" : "error"}`} aria-hidden="true" />
          {healthy ? name : `${name} (away)`}
        </li>
      ))}
    </ul>
  );
}

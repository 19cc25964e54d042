// One thing done to several agents: those of the list, as it is filtered, that are ticked.

import { useState } from "react";
import { interrupt, send, stop } from "../../api/agents";
import { Attempt } from "../../api/attempt";
import { inWords } from "../../api/problem";
import type { Agent } from "../../api/types";
import { putAgents, useAgents } from "../../server-state/agents";
import { ConfirmButton, Modal } from "../../ui/modal";
import { Empty, Failed, Loading } from "../../ui/states";
import { matches } from "./order";
import { StatusDot, statusText } from "./status";

/** Calls at once: a server that is asked by one person must not be busy with him alone. */
const AT_ONCE = 6;

export function BulkDialog({ open, onOpenChange, filter }: { open: boolean; onOpenChange: (open: boolean) => void; filter: string }) {
  return (
    <Modal open={open} onOpenChange={onOpenChange} title="Several agents">
      <Bulk filter={filter} close={() => onOpenChange(false)} />
    </Modal>
  );
}

function Bulk({ filter, close }: { filter: string; close: () => void }) {
  const { data: agents, error, refetch } = useAgents();
  const all = [...(agents?.values() ?? [])];
  const offered = all.filter((agent) => agent.status !== "stopped" && !agent.stale && matches(agent, filter)).sort((a, b) => a.name.localeCompare(b.name));
  const [ticked, setTicked] = useState<ReadonlySet<string>>(() => new Set());
  const [message, setMessage] = useState("");
  const [busy, setBusy] = useState(false);
  const [refusals, setRefusals] = useState<string[]>([]);
  // Sent again after an answer that got lost, nobody gets it twice.
  const [attempts] = useState(() => new Map<string, Attempt>());
  const attemptOf = (id: string): Attempt => {
    const attempt = attempts.get(id) ?? new Attempt();
    attempts.set(id, attempt);
    return attempt;
  };
  const chosen = offered.filter(({ id }) => ticked.has(id));
  const tick = (id: string, on: boolean): void => {
    const next = new Set(ticked);
    if (on) next.add(id);
    else next.delete(id);
    setTicked(next);
  };
  const does = async (action: (agent: Agent) => Promise<unknown>): Promise<void> => {
    setBusy(true);
    const failed = await forEach(chosen, async (agent) => {
      await action(agent);
      // Pressed again, it is for those with whom it failed.
      setTicked((now) => new Set([...now].filter((id) => id !== agent.id)));
    });
    setBusy(false);
    setRefusals(failed);
    if (failed.length === 0) close();
  };
  const working = chosen.filter(({ status }) => status === "busy");
  if (!agents) return error ? <Failed error={error} retry={refetch} /> : <Loading what="agents" />;
  if (offered.length === 0) return <Empty>{filter === "" ? "No agent runs." : "No agent that runs has these words."}</Empty>;
  return (
    <div className="form">
      <label className="check">
        <input type="checkbox" checked={chosen.length === offered.length} onChange={({ target }) => setTicked(new Set(target.checked ? offered.map(({ id }) => id) : []))} />
        {filter === "" ? `All ${offered.length}` : `All ${offered.length} with “${filter}”`}
      </label>
      <ul className="bulk-list" aria-label="Agents to choose">
        {offered.map((agent) => (
          <li key={agent.id}>
            <label className="choice">
              <input type="checkbox" checked={ticked.has(agent.id)} onChange={({ target }) => tick(agent.id, target.checked)} />
              <StatusDot agent={agent} />
              <span>
                {agent.name} <span className="muted">{statusText(agent)}</span>
              </span>
            </label>
          </li>
        ))}
      </ul>
      <label className="field">
        <span>Message</span>
        <textarea rows={2} value={message} onChange={({ target }) => setMessage(target.value)} />
      </label>
      {refusals.length > 0 && (
        <div className="form-error" role="alert">
          {refusals.map((refusal) => (
            <p key={refusal}>{refusal}</p>
          ))}
        </div>
      )}
      <div className="form-actions">
        <ConfirmButton
          label="Stop"
          title="End those that are ticked"
          danger
          disabled={busy || chosen.length === 0}
          question={chosen.length === 1 ? `Stop ${chosen[0]?.name ?? ""}?` : `Stop ${chosen.length} agents?`}
          explanation="Their processes are ended. Their logs and messages stay readable for a while; they cannot be started again."
          action={() => does(async ({ id }) => putAgents([await stop(id)]))}
        />
        <button type="button" disabled={busy || working.length === 0} onClick={() => void does(async (agent) => agent.status === "busy" && putAgents([await interrupt(agent.id)]))}>
          {`Interrupt${working.length > 0 ? ` ${working.length}` : ""}`}
        </button>
        <button type="button" className="primary" disabled={busy || chosen.length === 0 || message.trim() === ""} onClick={() => void does(({ id }) => send(id, message, attemptOf(id)))}>
          {`Send${chosen.length > 0 ? ` to ${chosen.length}` : ""}`}
        </button>
      </div>
    </div>
  );
}

/** Some at once; what was refused, in words. */
async function forEach(agents: readonly Agent[], action: (agent: Agent) => Promise<unknown>): Promise<string[]> {
  const waiting = [...agents];
  const refusals: string[] = [];
  const work = async (): Promise<void> => {
    for (let agent = waiting.shift(); agent; agent = waiting.shift()) {
      try {
        await action(agent);
      } catch (error) {
        refusals.push(`${agent.name}: ${inWords(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return refusals;
}

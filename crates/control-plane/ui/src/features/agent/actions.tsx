// What can be done with an agent.

import { useState } from "react";
import { interrupt, restart, resume, stop, suspend } from "../../api/agents";
import type { Agent } from "../../api/types";
import { putAgents } from "../../server-state/agents";
import { useRuntimes } from "../../server-state/runtimes";
import { ConfirmButton } from "../../ui/modal";
import { isSuspended } from "../agents/status";
import { useMayOperate } from "../session/scope";
import { attempt } from "../../ui/toasts";

export function Actions({ agent }: { agent: Agent }) {
  const [busy, setBusy] = useState(false);
  const mayOperate = useMayOperate();
  const kind = useRuntimes().data?.find(({ name }) => name === agent.runtime)?.kind;
  const isKept = isSuspended(agent);
  if ((agent.status === "stopped" && !isKept) || !mayOperate) return null; // it cannot be restarted either: another one is spawned
  const does = (action: (id: string) => Promise<Agent>) => () => attempt(async () => putAgents([await action(agent.id)]));
  const at = async (action: (id: string) => Promise<Agent>): Promise<void> => {
    setBusy(true);
    await does(action)();
    setBusy(false);
  };
  const stopIt = (
    <ConfirmButton
      label="Stop"
      title="End the agent"
      danger
      question={`Stop ${agent.name}?`}
      explanation="Its process is ended. Its log and messages stay readable for a while; it cannot be started again."
      disabled={agent.stale === true}
      action={does(stop)}
    />
  );
  if (isKept)
    return (
      <div className="actions">
        <button type="button" className="primary" title="The same agent goes on" disabled={agent.stale === true || busy} onClick={() => void at(resume)}>
          Resume
        </button>
        {stopIt}
      </div>
    );
  return (
    <div className="actions">
      <button
        type="button"
        title="Stop the current turn, keep the agent"
        disabled={agent.stale === true || agent.status !== "busy" || busy}
        onClick={() => void at(interrupt)}
      >
        Interrupt
      </button>
      <ConfirmButton
        label="Restart"
        title="A new process with the same conversation"
        question={`Restart ${agent.name}?`}
        explanation="Its process is ended, with what it is working on. A new one goes on with the same conversation where the CLI can."
        disabled={agent.stale === true}
        action={does(restart)}
      />
      {(kind === "docker" || kind === "kubernetes") && (
        <ConfirmButton
          label="Suspend"
          title="End its processes, keep what it has"
          question={`Suspend ${agent.name}?`}
          explanation="Its processes are ended. Its workspace and conversation are kept until it is resumed or stopped."
          disabled={agent.stale === true || agent.status === "starting"}
          action={does(suspend)}
        />
      )}
      {stopIt}
    </div>
  );
}

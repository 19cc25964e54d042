// What can be done with an agent.

import { useState } from "react";
import { interrupt, restart, stop } from "../../api/agents";
import type { Agent } from "../../api/types";
import { putAgents } from "../../server-state/agents";
import { ConfirmButton } from "../../ui/modal";
import { useMayOperate } from "../session/scope";
import { attempt } from "../../ui/toasts";

export function Actions({ agent }: { agent: Agent }) {
  const [busy, setBusy] = useState(false);
  const mayOperate = useMayOperate();
  if (agent.status === "stopped" || !mayOperate) return null; // it cannot be restarted either: another one is spawned
  const does = (action: (id: string) => Promise<Agent>) => () => attempt(async () => putAgents([await action(agent.id)]));
  const interruptIt = async (): Promise<void> => {
    setBusy(true);
    await does(interrupt)();
    setBusy(false);
  };
  return (
    <div className="actions">
      <button
        type="button"
        title="Stop the current turn, keep the agent"
        disabled={agent.stale === true || agent.status !== "busy" || busy}
        onClick={() => void interruptIt()}
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
      <ConfirmButton
        label="Stop"
        title="End the agent"
        danger
        question={`Stop ${agent.name}?`}
        explanation="Its process is ended. Its log and messages stay readable for a while; it cannot be started again."
        disabled={agent.stale === true}
        action={does(stop)}
      />
    </div>
  );
}

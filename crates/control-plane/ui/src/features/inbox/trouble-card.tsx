// An agent whose provider gives no more, or lets it in no more: its turn failed, and the next would too until somebody sees to it.

import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { restart, send, stop } from "../../api/agents";
import { Attempt } from "../../api/attempt";
import type { Agent, AgentError } from "../../api/types";
import { putAgents } from "../../server-state/agents";
import { ConfirmButton } from "../../ui/modal";
import { SettledButton } from "../../ui/settled-button";
import { Since } from "../../ui/time";
import { attempt } from "../../ui/toasts";
import { troubleWords } from "../attention/trouble";
import { LookOnly } from "../session/look-only";
import { useMayOperate } from "../session/scope";

export function TroubleCard({ agent, error, since }: { agent: Agent; error: AgentError; since: string }) {
  const [text, setText] = useState("Go on, please.");
  const [sending, setSending] = useState(false);
  const [message] = useState(() => new Attempt());
  const mayOperate = useMayOperate();
  const { title, hint } = troubleWords(error);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (text.trim() === "") return;
    setSending(true);
    await attempt(async () => void (await send(agent.id, text, message)));
    setSending(false);
  };
  const does = (action: (id: string) => Promise<Agent>) => () => attempt(async () => putAgents([await action(agent.id)]));
  return (
    <section className="attention is-trouble" aria-label={`${agent.name}: ${title}`} tabIndex={0}>
      <header className="attention-head">
        <h2>
          <Link to="/agents/$id" params={{ id: agent.id }}>
            {agent.name}
          </Link>{" "}
          <span className="tag">{title}</span>
        </h2>
        <span className="muted">
          {`${agent.type} · ${agent.runtime} · `}
          <Since time={since} />
        </span>
      </header>
      <pre className="attention-text" tabIndex={0} aria-label="What its CLI says">
        {error.message}
      </pre>
      <p className="muted">{hint}</p>
      {agent.stale ? (
        <p className="hint">Its runtime is away: nothing can be done with it now.</p>
      ) : !mayOperate ? (
        <LookOnly />
      ) : (
        <>
          <form className="inline-form" onSubmit={(event) => void submit(event)}>
            <input value={text} onChange={(event) => setText(event.target.value)} aria-label="Message" disabled={sending} autoComplete="off" />
            <SettledButton type="submit" disabled={sending || text.trim() === ""}>
              Send
            </SettledButton>
          </form>
          <div className="options">
            <Link className="button" to="/agents/$id" params={{ id: agent.id }} search={{ view: "terminal" }}>
              Open the terminal
            </Link>
            {error.code === "auth" && (
              <ConfirmButton
                label="Restart"
                title="A new process with the same conversation"
                question={`Restart ${agent.name}?`}
                explanation="Its process is ended. A new one reads its credentials anew, and goes on with the same conversation where the CLI can."
                action={does(restart)}
              />
            )}
            <ConfirmButton
              label="Stop"
              title="End the agent"
              danger
              question={`Stop ${agent.name}?`}
              explanation="Its process is ended. Its log and messages stay readable for a while; it cannot be started again."
              action={does(stop)}
            />
          </div>
        </>
      )}
    </section>
  );
}

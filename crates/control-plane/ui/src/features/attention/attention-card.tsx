// What one agent needs a person for, whole, with the ways to answer.

import { Link } from "@tanstack/react-router";
import { interrupt, stop } from "../../api/agents";
import type { Agent, Attention } from "../../api/types";
import { putAgents } from "../../server-state/agents";
import { LookOnly } from "../session/look-only";
import { ConfirmButton } from "../../ui/modal";
import { SettledButton } from "../../ui/settled-button";
import { Since } from "../../ui/time";
import { attempt } from "../../ui/toasts";
import { useMayOperate } from "../session/scope";
import { AnswerForm } from "./answer-form";
import { AttentionBody } from "./attention-body";
import { chooseByDigit } from "./digits";
import { wordsOf } from "./kinds";

/** `withAgent` says whose it is, where that is not plain. */
export function AttentionCard({ agent, attention, withAgent }: { agent: Agent; attention: Attention; withAgent?: boolean }) {
  const { title } = wordsOf(attention.kind);
  const mayOperate = useMayOperate();
  const label = `${agent.name}: ${title}`;
  return (
    <section className={`attention is-${attention.kind}`} aria-label={label} tabIndex={withAgent ? 0 : undefined} onKeyDown={chooseByDigit}>
      <header className="attention-head">
        <h2>
          {withAgent && (
            <>
              <Link to="/agents/$id" params={{ id: agent.id }}>
                {agent.name}
              </Link>{" "}
            </>
          )}
          <span className="tag">{title}</span>
        </h2>
        <span className="muted">
          {withAgent && `${agent.type} · ${agent.runtime} · `}
          <Since time={attention.since} />
        </span>
      </header>
      <AttentionBody {...attention} />
      {attention.kind === "stalled" || attention.kind === "unknown" ? (
        <div className="options">
          <Link className="button" to="/agents/$id" params={{ id: agent.id }} search={{ view: "terminal" }}>
            Open the terminal
          </Link>
          {mayOperate && (
            <>
              <SettledButton onClick={() => void attempt(async () => putAgents([await interrupt(agent.id)]))}>Interrupt</SettledButton>
              <ConfirmButton
                label="Stop"
                title="End the agent"
                danger
                question={`Stop ${agent.name}?`}
                explanation="Its process is ended. Its log and messages stay readable for a while; it cannot be started again."
                action={() => attempt(async () => putAgents([await stop(agent.id)]))}
              />
            </>
          )}
        </div>
      ) : agent.stale ? (
        <p className="hint">Its runtime is away: it cannot be answered now.</p>
      ) : !mayOperate ? (
        <LookOnly />
      ) : (
        <AnswerForm key={attention.id} agent={agent} attention={attention} />
      )}
    </section>
  );
}

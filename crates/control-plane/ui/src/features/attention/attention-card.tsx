// What one agent needs a person for, whole, with the ways to answer.

import { Link } from "@tanstack/react-router";
import { interrupt, stop } from "../../api/agents";
import type { Agent, Attention } from "../../api/types";
import { putAgents } from "../../server-state/agents";
import { LookOnly } from "../session/look-only";
import { WebLink } from "../../ui/links";
import { ConfirmButton } from "../../ui/modal";
import { Markdown } from "../../ui/markdown";
import { Since } from "../../ui/time";
import { attempt } from "../../ui/toasts";
import { useMayOperate } from "../session/scope";
import { AnswerForm } from "./answer-form";
import { chooseByDigit } from "./digits";
import { wordsOf } from "./kinds";
import { ToolInput, isText } from "./tool-input";

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
      <AttentionBody attention={attention} />
      {attention.kind === "stalled" || attention.kind === "unknown" ? (
        <div className="options">
          <Link className="button" to="/agents/$id" params={{ id: agent.id }} search={{ view: "terminal" }}>
            Open the terminal
          </Link>
          {mayOperate && (
            <>
              <button type="button" onClick={() => void attempt(async () => putAgents([await interrupt(agent.id)]))}>
                Interrupt
              </button>
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

function AttentionBody({ attention }: { attention: Attention }) {
  const { tool, plan, questions = [], loginUrl, text, danger } = attention;
  // Several questions say themselves what they ask.
  const isSaidBelow = questions.length > 1 || questions.some(({ multiple }) => multiple);
  // A script that calls tools says less than what the agent shows of it.
  const isScript = tool !== undefined && tool !== null && isText(tool.input);
  const showsTool = tool && !plan && questions.length === 0 && !isScript;
  const asShown = (
    <pre className="attention-text" tabIndex={0} aria-label="What it says">
      {text}
    </pre>
  );
  return (
    <>
      {danger && <p className="danger-note">{danger}</p>}
      {showsTool && <ToolInput tool={tool} />}
      {showsTool || plan ? (
        // The tool and the plan are what the agent reported; what its screen said of them is much the same.
        <details>
          <summary>As the agent shows it</summary>
          {asShown}
        </details>
      ) : (
        !isSaidBelow && asShown
      )}
      {isScript && !plan && (
        <details>
          <summary>What {tool.name} is called with</summary>
          <ToolInput tool={tool} />
        </details>
      )}
      {plan && (
        <div className="plan" tabIndex={0} role="region" aria-label="Plan">
          <Markdown text={plan} />
        </div>
      )}
      {loginUrl && (
        <p className="login-url">
          <WebLink url={loginUrl} />
        </p>
      )}
    </>
  );
}

// One run: its questions, its steps with their answers, its agents, what came out.

import { Link, useParams } from "@tanstack/react-router";
import { cancelRun } from "../../api/runs";
import type { Run, Step } from "../../api/types";
import { useAgents } from "../../server-state/agents";
import { useRun } from "../../server-state/runs";
import { keys, store } from "../../server-state/store";
import { Markdown } from "../../ui/markdown";
import { ConfirmButton } from "../../ui/modal";
import { Failed, Loading } from "../../ui/states";
import { Clock, duration } from "../../ui/time";
import { attempt } from "../../ui/toasts";
import { AttentionCard } from "../attention/attention-card";
import { useMayOperate } from "../session/scope";
import { RunBadge } from "./run-badge";
import { RunQuestionCard } from "./run-question";

export function RunPage() {
  const { id } = useParams({ from: "/runs/$id" });
  const { data: run, error, refetch } = useRun(id);
  if (run) return <RunView run={run} />;
  return (
    <div className="page">
      <h1>Run</h1>
      {error ? <Failed error={error} retry={refetch} /> : <Loading what="the run" />}
    </div>
  );
}

function RunView({ run }: { run: Run }) {
  const agents = useAgents().data;
  const mayOperate = useMayOperate();
  const { metrics } = run;
  return (
    <article className="page" aria-label={`Run of ${run.pattern}`}>
      <header className="page-head">
        <div className="title-row">
          <h1>{run.pattern}</h1>
          <RunBadge status={run.status} />
        </div>
        {run.status === "running" && mayOperate && (
          <ConfirmButton
            label="Cancel"
            title="End the run and its agents"
            danger
            question="Cancel this run?"
            explanation="What it works on is ended, and the agents that it spawned are stopped."
            action={() => attempt(async () => store.setQueryData(keys.run(run.id), await cancelRun(run.id)))}
          />
        )}
      </header>
      <p className="muted">
        Started <Clock time={run.createdAt} /> · {duration(metrics.durationMs)} · {counted(metrics.messages, "message")} ·{" "}
        {counted(metrics.questions, "question")} · {counted(metrics.agents, "agent")}
      </p>
      {run.error && <p className="trouble failed">{`${run.error.code}: ${run.error.message}${run.error.step ? ` (step ${run.error.step})` : ""}`}</p>}
      {run.questions.map((question) => {
        const asking = question.agentId ? agents?.get(question.agentId) : undefined;
        if (asking?.attention && asking.attention.id === question.attentionId)
          return <AttentionCard key={question.id} agent={asking} attention={asking.attention} withAgent />;
        return question.forUser ? (
          <RunQuestionCard key={question.id} runId={run.id} pattern={run.pattern} question={question} />
        ) : (
          <p key={question.id} className="trouble">{`${question.role ?? "The run"} asks ${question.asked.at(-1) ?? "its team"}: ${question.text}`}</p>
        );
      })}
      <section className="run-columns">
        <div>
          <h2>Steps</h2>
          <ol className="steps">
            {run.steps.map((step) => (
              <StepLine key={step.path} step={step} />
            ))}
          </ol>
        </div>
        <div>
          <h2>Agents</h2>
          <ul className="team">
            {run.agents.map((member) => (
              <li key={member.agentId} className={member.present ? "" : "gone"}>
                <Link to="/agents/$id" params={{ id: member.agentId }}>
                  {member.role} {member.number}
                </Link>{" "}
                <span className="muted">
                  {member.type} · {member.runtime}
                  {member.present ? "" : " · gone"}
                </span>
              </li>
            ))}
          </ul>
          {Object.keys(run.input).length > 0 && (
            <>
              <h2>Input</h2>
              <dl className="facts">
                {Object.entries(run.input).map(([name, value]) => (
                  <div key={name}>
                    <dt>{name}</dt>
                    <dd>{asText(value)}</dd>
                  </div>
                ))}
              </dl>
            </>
          )}
        </div>
      </section>
      {run.output !== undefined && run.output !== null && (
        <>
          <h2>Output</h2>
          <div className="card">
            <Markdown text={asText(run.output)} />
          </div>
        </>
      )}
    </article>
  );
}

const counted = (count: number, thing: string): string => `${count} ${thing}${count === 1 ? "" : "s"}`;

function StepLine({ step }: { step: Step }) {
  const depth = step.path.split("/").length - 1;
  const took = step.endedAt ? duration(Date.parse(step.endedAt) - Date.parse(step.startedAt)) : undefined;
  const hasResult = step.result !== undefined && step.result !== null;
  const head = (
    <>
      <RunBadge status={step.status} />
      <strong>{step.id ?? step.path}</strong>
      <span className="muted">
        {[step.type, step.role, step.attempt > 1 && `attempt ${step.attempt}`, took].filter(Boolean).join(" · ")}
      </span>
    </>
  );
  return (
    <li style={{ marginInlineStart: `${depth * 18}px` }}>
      {hasResult ? (
        <details>
          <summary className="step-head">{head}</summary>
          <div className="step-result">
            <Markdown text={asText(step.result)} />
          </div>
        </details>
      ) : (
        <p className="step-head">{head}</p>
      )}
      {step.error && <p className="form-error">{`${step.error.code}: ${step.error.message}`}</p>}
    </li>
  );
}

/** A result as it is read: text as it is, anything else as JSON. */
const asText = (value: unknown): string => (typeof value === "string" ? value : `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``);

// One run: its questions, its team as a chart, its steps over time, what came out; and all of it as it stood at any moment before.

import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { cancelRun } from "../../api/runs";
import type { Run } from "../../api/types";
import { useAgents } from "../../server-state/agents";
import { MAX_RUN_EVENTS, useRunEvents } from "../../server-state/run-events";
import { useRun, useRunChart } from "../../server-state/runs";
import { keys, store } from "../../server-state/store";
import { lazyPart } from "../../ui/lazy-part";
import { Markdown } from "../../ui/markdown";
import { ConfirmButton } from "../../ui/modal";
import { Failed, Loading } from "../../ui/states";
import { Clock, duration } from "../../ui/time";
import { attempt } from "../../ui/toasts";
import { AttentionCard } from "../attention/attention-card";
import { useMayOperate } from "../session/scope";
import { asText } from "./as-text";
import { type Moment, momentAfter } from "./moment";
import { Replay } from "./replay";
import { RunBadge } from "./run-badge";
import { RunEvents } from "./run-events";
import { RunQuestionCard } from "./run-question";
import { RunUsage } from "./run-usage";
import { Steps } from "./steps";

// React Flow and elk are larger than the rest of the page.
const OrgChart = lazyPart(async () => (await import("./chart/org-chart")).OrgChart, { loading: () => <Loading what="the chart" /> });

export function RunPage() {
  const { id } = useParams({ from: "/runs/$id" });
  const { data: run, error, refetch } = useRun(id);
  if (run) return <RunView key={id} run={run} />;
  return (
    <div className="page">
      <h1>Run</h1>
      {error ? <Failed error={error} retry={refetch} /> : <Loading what="the run" />}
    </div>
  );
}

function RunView({ run }: { run: Run }) {
  const log = useRunEvents(run.id);
  const navigate = useNavigate();
  // A moment has an address: `at` is how many events had happened.
  const { at } = useSearch({ from: "/runs/$id" });
  const position = at === undefined ? undefined : Math.min(at, log.events.length);
  const go = (next: number | undefined): void => void navigate({ to: ".", search: (search) => ({ ...search, at: next }), replace: true });
  const moment = useMemo(() => momentAfter(log.events, position ?? log.events.length), [log.events, position]);
  const chart = useRunChart(run.id);
  const isNow = position === undefined;
  return (
    <article className="page is-wide" aria-label={`Run of ${run.pattern}`}>
      <RunHeader run={run} moment={isNow ? undefined : moment} />
      {isNow && <Questions run={run} />}
      {log.isWhole && <Replay events={log.events} position={position} go={go} isOver={run.status !== "running"} />}
      {log.events.length >= MAX_RUN_EVENTS && <p className="hint">{`This run has more than ${MAX_RUN_EVENTS} events; what came after them is not shown.`}</p>}
      {chart.error ? (
        <Failed error={chart.error} retry={chart.refetch} />
      ) : chart.data ? (
        <OrgChart roles={chart.data.roles} moment={log.isWhole ? moment : undefined} />
      ) : (
        <Loading what="the chart" />
      )}
      <section className="run-columns">
        <div>
          <h2>Steps</h2>
          {log.isWhole ? <Steps moment={moment} startedAt={run.createdAt} until={log.events.at(-1)?.timestamp ?? run.updatedAt} /> : <Loading what="steps" />}
          {isNow && run.output !== undefined && run.output !== null && (
            <>
              <h2>Output</h2>
              <div className="card">
                <Markdown text={asText(run.output)} />
              </div>
            </>
          )}
        </div>
        <div>
          <h2>What happened</h2>
          {log.isWhole ? <RunEvents events={log.events} position={position ?? log.events.length} go={go} /> : <Loading what="what happened" />}
          <h2>Agents</h2>
          <Team run={run} moment={log.isWhole ? moment : undefined} />
          <Input run={run} />
        </div>
      </section>
    </article>
  );
}

function RunHeader({ run, moment }: { run: Run; moment: Moment | undefined }) {
  const mayOperate = useMayOperate();
  const { metrics } = run;
  return (
    <>
      <header className="page-head">
        <div className="title-row">
          <h1>{run.pattern}</h1>
          <RunBadge status={moment?.status ?? run.status} />
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
        Started <Clock time={run.createdAt} /> · {duration(metrics.durationMs)} · {counted(metrics.messages, "message")} · {counted(metrics.questions, "question")} ·{" "}
        {counted(metrics.agents, "agent")}
        <RunUsage members={run.agents} isOver={run.status !== "running"} />
      </p>
      {run.error && <p className="trouble failed">{`${run.error.code}: ${run.error.message}${run.error.step ? ` (step ${run.error.step})` : ""}`}</p>}
    </>
  );
}

function Questions({ run }: { run: Run }) {
  const agents = useAgents().data;
  return run.questions.map((question) => {
    const asking = question.agentId ? agents?.get(question.agentId) : undefined;
    if (asking?.attention && asking.attention.id === question.attentionId)
      return <AttentionCard key={question.id} agent={asking} attention={asking.attention} withAgent />;
    return question.forUser ? (
      <RunQuestionCard key={question.id} runId={run.id} pattern={run.pattern} question={question} />
    ) : (
      <p key={question.id} className="trouble">{`${question.role ?? "The run"} asks ${question.asked.at(-1) ?? "its team"}: ${question.text}`}</p>
    );
  });
}

function Team({ run, moment }: { run: Run; moment: Moment | undefined }) {
  const then = new Map(moment?.members.map((member) => [member.id, member.present]));
  return (
    <ul className="team">
      {run.agents
        .filter(({ agentId }) => !moment || then.has(agentId))
        .map((member) => {
          const present = then.get(member.agentId) ?? member.present;
          return (
            <li key={member.agentId} className={present ? "" : "gone"}>
              <Link to="/agents/$id" params={{ id: member.agentId }}>
                {member.role} {member.number}
              </Link>{" "}
              <span className="muted">
                {member.type} · {member.runtime}
                {present ? "" : " · gone"}
              </span>
            </li>
          );
        })}
    </ul>
  );
}

function Input({ run }: { run: Run }) {
  if (Object.keys(run.input).length === 0) return null;
  return (
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
  );
}

const counted = (count: number, thing: string): string => `${count} ${thing}${count === 1 ? "" : "s"}`;

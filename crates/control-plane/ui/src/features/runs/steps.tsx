// The steps of a run over time: when each began and ended, what it gave.

import { Markdown } from "../../ui/markdown";
import { Empty } from "../../ui/states";
import { duration } from "../../ui/time";
import { asText } from "./as-text";
import type { Moment, StepMoment } from "./moment";
import { RunBadge } from "./run-badge";

/** `until`: where the time that is shown ends, which may be after the moment. */
export function Steps({ moment, startedAt, until }: { moment: Moment; startedAt: string; until: string }) {
  if (moment.steps.length === 0) return <Empty>No step has begun.</Empty>;
  const [from, to] = [Date.parse(startedAt), Math.max(Date.parse(until), Date.parse(startedAt) + 1)];
  return (
    <ol className="steps">
      {moment.steps.map((step) => (
        <StepLine key={step.path} step={step} from={from} to={to} now={Date.parse(moment.at ?? until)} asks={moment.questions.some(({ role }) => role !== undefined && role === step.role)} />
      ))}
    </ol>
  );
}

function StepLine({ step, from, to, now, asks }: { step: StepMoment; from: number; to: number; now: number; asks: boolean }) {
  const depth = step.path.split("/").length - 1;
  const begins = Date.parse(step.startedAt);
  const ends = step.endedAt === undefined ? now : Date.parse(step.endedAt);
  const hasResult = step.result !== undefined && step.result !== null;
  const share = (ms: number): number => Math.max(0, Math.min(100, (100 * ms) / (to - from)));
  const left = Math.min(share(begins - from), 99);
  const head = (
    <>
      <RunBadge status={step.status} />
      <strong>{step.id ?? step.path}</strong>
      {asks && step.status === "running" && <span className="needs">asks</span>}
      <span className="muted">{[step.type, step.role, step.attempt > 1 && `attempt ${step.attempt}`, took(Math.max(0, ends - begins))].filter(Boolean).join(" · ")}</span>
      <span className="span" aria-hidden="true">
        <span className={`span-bar is-${step.status}`} style={{ left: `${left}%`, width: `${Math.max(1, Math.min(share(ends - begins), 100 - left))}%` }} />
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
      {step.error && <p className="form-error">{step.error}</p>}
    </li>
  );
}

/** Short ones with their tenths: most steps of a chain are. */
const took = (ms: number): string => (ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : duration(ms));

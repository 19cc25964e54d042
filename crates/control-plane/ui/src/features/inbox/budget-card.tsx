// A run that has sent most of the messages that it may: at the one after the last it fails.

import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { cancelRun, raiseBudget } from "../../api/runs";
import type { MessageBudget, RunSummary } from "../../api/types";
import { keys, store } from "../../server-state/store";
import { ConfirmButton } from "../../ui/modal";
import { SettledButton } from "../../ui/settled-button";
import { Since } from "../../ui/time";
import { attempt } from "../../ui/toasts";
import { LookOnly } from "../session/look-only";
import { useMayOperate } from "../session/scope";
import { MOST, raisedTo } from "./budget";

export function BudgetCard({ run, budget }: { run: RunSummary; budget: MessageBudget }) {
  const raised = raisedTo(budget);
  const [messages, setMessages] = useState(String(raised ?? budget.most));
  const [sending, setSending] = useState(false);
  const mayOperate = useMayOperate();
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setSending(true);
    await attempt(async () => {
      await raiseBudget(run.id, Number(messages));
      await store.invalidateQueries({ queryKey: keys.runs });
    });
    setSending(false);
  };
  const cancel = () =>
    attempt(async () => {
      await cancelRun(run.id);
      await store.invalidateQueries({ queryKey: keys.runs });
    });
  return (
    <section className="attention is-budget" aria-label={`Run of ${run.pattern}: most of its messages are sent`} tabIndex={0}>
      <header className="attention-head">
        <h2>
          <Link to="/runs/$id" params={{ id: run.id }}>
            Run of {run.pattern}
          </Link>{" "}
          <span className="tag">Most of its messages are sent</span>
        </h2>
        <span className="muted">{budget.warningSince && <Since time={budget.warningSince} />}</span>
      </header>
      <p className="attention-text">{`${budget.sent} of the ${budget.most} messages that it may send. At the one after the last it fails.`}</p>
      {!mayOperate ? (
        <LookOnly />
      ) : (
        <>
          {raised === undefined ? (
            <p className="muted">{`No run may send more than ${MOST.toLocaleString()} messages: this cannot be raised.`}</p>
          ) : (
            <form className="inline-form" onSubmit={(event) => void submit(event)}>
              <input type="number" min={budget.most + 1} max={MOST} step={1} required value={messages} onChange={(event) => setMessages(event.target.value)} aria-label="Messages that it may send in all" disabled={sending} />
              <SettledButton type="submit" disabled={sending}>
                Raise the budget
              </SettledButton>
            </form>
          )}
          <div className="options">
            <Link className="button" to="/runs/$id" params={{ id: run.id }}>
              Open the run
            </Link>
            <ConfirmButton label="Cancel the run" title="Stop its work and its agents" danger question="Cancel the run?" explanation="Its work is stopped, and its agents with it." action={cancel} />
          </div>
        </>
      )}
    </section>
  );
}

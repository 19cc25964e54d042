// A question of a run that waits for a person.

import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { answerRun } from "../../api/runs";
import { inWords } from "../../api/problem";
import type { RunAnswer } from "../../api/types";
import type { OpenRunQuestion } from "../../server-state/runs";
import { keys, store } from "../../server-state/store";
import { AttentionBody } from "../attention/attention-body";
import { chooseByDigit } from "../attention/digits";
import { Options } from "../attention/options";
import { LookOnly } from "../session/look-only";
import { useMayOperate } from "../session/scope";
import { Markdown } from "../../ui/markdown";
import { Since } from "../../ui/time";

const TITLES: Record<OpenRunQuestion["question"]["kind"], string> = {
  question: "A question",
  permission: "A permission",
  login: "A login",
  attention: "Does not go on",
  approval: "Wants your approval",
};

const APPROVAL = [
  { id: "approve", label: "Approve" },
  { id: "reject", label: "Reject" },
];

const LOOKS: Record<string, string> = { approve: "primary", yes: "primary", reject: "refuse", no: "refuse" };

export function RunQuestionCard({ runId, pattern, question, withRun }: OpenRunQuestion & { withRun?: boolean }) {
  const [sending, setSending] = useState(false);
  const [refusal, setRefusal] = useState<string>();
  const [text, setText] = useState("");
  const mayOperate = useMayOperate();
  const isApproval = question.kind === "approval";
  const options = question.options?.length ? question.options : isApproval ? APPROVAL : [];
  const reply = async (answer: RunAnswer): Promise<void> => {
    setSending(true);
    setRefusal(undefined);
    const comment = text.trim() === "" ? {} : { text };
    try {
      const run = await answerRun(runId, { questionId: question.id, ...comment, ...answer });
      store.setQueryData(keys.run(runId), run);
      void store.invalidateQueries({ queryKey: keys.runs });
    } catch (error) {
      setRefusal(inWords(error));
      setSending(false);
    }
  };
  return (
    <section className="attention is-run" aria-label={`Run of ${pattern}: ${question.kind}`} tabIndex={withRun ? 0 : undefined} onKeyDown={chooseByDigit}>
      <header className="attention-head">
        <h2>
          {withRun && (
            <>
              <Link to="/runs/$id" params={{ id: runId }}>
                Run of {pattern}
              </Link>{" "}
            </>
          )}
          <span className="tag">{TITLES[question.kind]}</span>
        </h2>
        <span className="muted">
          {question.role && `${question.role} · `}
          <Since time={question.since} />
        </span>
      </header>
      {question.attentionId ? (
        <AttentionBody {...question} />
      ) : (
        <div className="plan" tabIndex={0} role="region" aria-label="What it says">
          <Markdown text={question.text} isReviewed />
        </div>
      )}
      {question.kind === "attention" ? (
        question.agentId && (
          <div className="options">
            <Link className="button" to="/agents/$id" params={{ id: question.agentId }} search={{ view: "terminal" }}>
              Open the terminal
            </Link>
          </div>
        )
      ) : !mayOperate ? <LookOnly /> : <form
        className="answer"
        onSubmit={(event) => {
          event.preventDefault();
          if (!isApproval && text.trim() !== "") void reply({ text });
        }}
      >
        <div className="inline-form">
          <input
            value={text}
            onChange={(event) => setText(event.target.value)}
            placeholder={isApproval ? "A comment, if you like" : "An answer of your own"}
            aria-label={isApproval ? "Comment" : "An answer of your own"}
            disabled={sending}
            autoComplete="off"
          />
          {!isApproval && (
            <button type="submit" disabled={sending || text.trim() === ""}>
              Answer
            </button>
          )}
        </div>
        <Options key={question.id} options={options} looks={LOOKS} disabled={sending} choose={(option) => void reply({ option })} />
        {refusal && (
          <p className="form-error" role="alert">
            {refusal}
          </p>
        )}
      </form>}
    </section>
  );
}

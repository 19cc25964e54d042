// The ways to answer: options, several questions at once, own words.

import { type FormEvent, useId, useState } from "react";
import type { Agent, Attention, AttentionQuestion } from "../../api/types";
import { Markdown } from "../../ui/markdown";
import { visible } from "../../ui/visible";
import { Options } from "./options";
import { useReply } from "./reply";

/** Ids that mean the same with every CLI. */
const LOOKS: Record<string, string> = { yes: "primary", always: "always", no: "refuse" };
/** Where the CLI warns, nothing is recommended. */
const DANGEROUS: Record<string, string> = { yes: "danger", always: "danger always" };

export function AnswerForm({ agent, attention }: { agent: Agent; attention: Attention }) {
  const { sending, refusal, reply } = useReply(agent, attention);
  const questions = attention.questions ?? [];
  const needsForm = questions.length > 1 || questions.some(({ multiple }) => multiple);
  return (
    <div className="answer" aria-busy={sending}>
      {needsForm ? (
        <Questionnaire questions={questions} disabled={sending} send={(answers) => void reply({ answers })} />
      ) : (
        <>
          <Options options={attention.options ?? []} looks={attention.danger != null ? DANGEROUS : LOOKS} disabled={sending} choose={(option) => void reply({ option })} />
          <OwnWords
            label={attention.kind === "login" ? "Code" : "An answer of your own"}
            action={attention.kind === "login" ? "Send code" : "Answer"}
            disabled={sending}
            send={(text) => void reply({ text })}
          />
        </>
      )}
      {sending && (
        <p className="hint" role="status">
          Sent. Waiting for the agent …
        </p>
      )}
      {refusal && (
        <p className="form-error" role="alert">
          {refusal}
        </p>
      )}
    </div>
  );
}

function OwnWords(props: { label: string; action: string; disabled: boolean; send: (text: string) => void }) {
  const [text, setText] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim() !== "") props.send(text);
  };
  return (
    <form className="inline-form" onSubmit={submit}>
      <input
        value={text}
        onChange={(event) => setText(event.target.value)}
        placeholder={props.label}
        aria-label={props.label}
        disabled={props.disabled}
        autoComplete="off"
      />
      <button type="submit" disabled={props.disabled || text.trim() === ""}>
        {props.action}
      </button>
    </form>
  );
}

/** What was chosen for one question: options by id, or own words, which count when there are any. */
interface Choice {
  options: string[];
  text: string;
}

function Questionnaire(props: {
  questions: AttentionQuestion[];
  disabled: boolean;
  send: (answers: Record<string, string | string[]>) => void;
}) {
  const [choices, setChoices] = useState<Record<string, Choice>>({});
  const choiceOf = (id: string): Choice => choices[id] ?? { options: [], text: "" };
  const isAnswered = ({ id }: AttentionQuestion): boolean =>
    choiceOf(id).text.trim() !== "" || choiceOf(id).options.length > 0;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const answerOf = ({ id, multiple }: AttentionQuestion): string | string[] => {
      const { options, text } = choiceOf(id);
      if (text.trim() !== "") return text;
      return multiple ? options : (options[0] ?? "");
    };
    props.send(Object.fromEntries(props.questions.map((question) => [question.id, answerOf(question)])));
  };
  return (
    <form className="questionnaire" onSubmit={submit}>
      <div className="questions">
        {props.questions.map((question) => (
          <QuestionPart
            key={question.id}
            question={question}
            choice={choiceOf(question.id)}
            disabled={props.disabled}
            onChange={(choice) => setChoices({ ...choices, [question.id]: choice })}
          />
        ))}
      </div>
      <div className="form-actions">
        <button type="submit" className="primary" disabled={props.disabled || !props.questions.every(isAnswered)}>
          Answer all
        </button>
      </div>
    </form>
  );
}

function QuestionPart(props: {
  question: AttentionQuestion;
  choice: Choice;
  disabled: boolean;
  onChange: (choice: Choice) => void;
}) {
  const { question, choice, disabled, onChange } = props;
  const group = useId();
  const toggle = (id: string, on: boolean): void => {
    const others = question.multiple ? choice.options.filter((chosen) => chosen !== id) : [];
    onChange({ options: on ? [...others, id] : others, text: "" });
  };
  return (
    <fieldset disabled={disabled}>
      <legend>
        {question.header && <span className="tag">{visible(question.header)}</span>} {visible(question.text)}
      </legend>
      {(question.options ?? []).map((option) => (
        <label key={option.id} className="choice">
          <input
            type={question.multiple ? "checkbox" : "radio"}
            name={group}
            checked={choice.text === "" && choice.options.includes(option.id)}
            onChange={(event) => toggle(option.id, event.target.checked)}
          />
          <span>
            {visible(option.label)}
            {option.description && <small>{visible(option.description)}</small>}
            {option.preview && <Markdown text={option.preview} isReviewed />}
          </span>
        </label>
      ))}
      {question.freeText && (
        <input
          value={choice.text}
          onChange={(event) => onChange({ ...choice, text: event.target.value })}
          placeholder="In your own words"
          aria-label={`${visible(question.text)}: in your own words`}
          autoComplete="off"
        />
      )}
    </fieldset>
  );
}

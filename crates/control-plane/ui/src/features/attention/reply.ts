// Answering what an agent asks.

import { useEffect, useState } from "react";
import { answer } from "../../api/agents";
import { Problem, inWords } from "../../api/problem";
import type { Agent, AnswerRequest, Attention } from "../../api/types";
import { knownAgents, putAgents } from "../../server-state/agents";
import { toast } from "../../ui/toasts";

/** So long an answer is waited for, in milliseconds. After that the agent did not take it, and another may be given. */
const TAKES_AT_MOST_MS = 20_000;

type Reply = Pick<AnswerRequest, "option" | "text" | "answers">;

/** The way of one answer: `reply` sends it, for this one occasion; while it is on its way nothing else can be sent. */
export function useReply(agent: Agent, attention: Attention) {
  const [sending, setSending] = useState(false);
  const [refusal, setRefusal] = useState<string>();
  useEffect(() => {
    if (!sending) return;
    const timer = setTimeout(() => {
      setSending(false);
      setRefusal("The agent has not taken the answer yet. Its terminal shows why.");
    }, TAKES_AT_MOST_MS);
    return () => clearTimeout(timer);
  }, [sending]);
  const reply = async (chosen: Reply): Promise<void> => {
    setSending(true);
    setRefusal(undefined);
    try {
      putAgents([await answer(agent.id, { attentionId: attention.id, ...chosen })]);
      // The buttons stay off until the agent says that the question is over: a second answer would be for the next one.
    } catch (error) {
      if (error instanceof Problem && error.code === "QUESTION_CHANGED") takeWhatStands(agent, error);
      else setRefusal(inWords(error));
      setSending(false);
    }
  };
  return { sending, refusal, reply };
}

/** Somebody else was quicker, or the agent asks something else by now. */
function takeWhatStands(agent: Agent, { body }: Problem): void {
  toast(`${agent.name}: this was answered by somebody else.${body.attention ? " It asks something new." : ""}`);
  const known = knownAgents().get(agent.id) ?? agent;
  const { attention: _over, ...rest } = known;
  putAgents([body.attention ? { ...rest, attention: body.attention } : rest]);
}

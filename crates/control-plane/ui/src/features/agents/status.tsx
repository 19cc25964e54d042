// The status of an agent, as a word and as a dot.

import type { Agent } from "../../api/types";
import { wordsOf } from "../attention/kinds";
import { troubleOf, troubleWords } from "../attention/trouble";

/** The status in words, with what else a person should know at a glance. */
export const statusText = (agent: Agent): string => {
  const word = isSuspended(agent) ? "suspended" : agent.status;
  return agent.stale ? `${word}, runtime away` : word;
};

/** Whether it has ended to be resumed. */
export const isSuspended = ({ status, exit }: Agent): boolean => status === "stopped" && exit?.reason === "suspended";

export function StatusDot({ agent }: { agent: Agent }) {
  return <span className={`dot ${agent.stale ? "stale" : agent.status}`} aria-hidden="true" />;
}

/** What it needs somebody for. */
export function Needs({ agent }: { agent: Agent }) {
  const trouble = troubleOf(agent);
  if (trouble) return <span className="needs">{troubleWords(trouble).short}</span>;
  return agent.attention && agent.status !== "stopped" ? <span className="needs">{wordsOf(agent.attention.kind).short}</span> : null;
}

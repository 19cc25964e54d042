// The status of an agent, as a word and as a dot.

import type { Agent } from "../../api/types";
import { wordsOf } from "../attention/kinds";

/** The status in words, with what else a person should know at a glance. */
export const statusText = (agent: Agent): string => (agent.stale ? `${agent.status}, runtime away` : agent.status);

export function StatusDot({ agent }: { agent: Agent }) {
  return <span className={`dot ${agent.stale ? "stale" : agent.status}`} aria-hidden="true" />;
}

/** What it needs somebody for. */
export function Needs({ agent }: { agent: Agent }) {
  return agent.attention && agent.status !== "stopped" ? (
    <span className="needs">{wordsOf(agent.attention.kind).short}</span>
  ) : null;
}

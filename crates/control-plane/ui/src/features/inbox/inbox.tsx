// The inbox: every question of all agents and runs, oldest first.

import { useAgents } from "../../server-state/agents";
import { Empty, Failed, Loading } from "../../ui/states";
import { AttentionCard } from "../attention/attention-card";
import { RunQuestionCard } from "../runs/run-question";
import { useWaiting } from "./waiting";

export function Inbox() {
  const { isPending, error, refetch } = useAgents();
  const waiting = useWaiting();
  return (
    <section className="inbox" aria-label="Inbox">
      <h1>
        Inbox <span className="count">{waiting.length}</span>
      </h1>
      {error ? (
        <Failed error={error} retry={refetch} />
      ) : isPending ? (
        <Loading what="what waits" />
      ) : waiting.length === 0 ? (
        <Empty>Nobody waits for you.</Empty>
      ) : (
        <ol className="cards-column" aria-label="Waiting for you">
          {waiting.map((item) => (
            <li key={item.key}>
              {item.kind === "agent" ? (
                <AttentionCard agent={item.agent} attention={item.attention} withAgent />
              ) : (
                <RunQuestionCard {...item.open} withRun />
              )}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

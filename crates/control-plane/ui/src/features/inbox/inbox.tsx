// The inbox: every question of all agents and runs, oldest first.

import { useAgents } from "../../server-state/agents";
import { useRuns } from "../../server-state/runs";
import { Empty, Failed, Loading } from "../../ui/states";
import { AttentionCard } from "../attention/attention-card";
import { RunQuestionCard } from "../runs/run-question";
import { useWaiting } from "./waiting";

export function Inbox() {
  const { data: agents, error, refetch } = useAgents();
  const runs = useRuns();
  const waiting = useWaiting();
  return (
    <section className="inbox" aria-label="Inbox">
      <h1>
        Inbox <span className="count">{waiting.length}</span>
      </h1>
      {/* Nobody waits: that is only said when all were asked. */}
      {error && !agents && <Failed error={error} retry={refetch} />}
      {runs.error && !runs.data && <Failed error={runs.error} retry={runs.refetch} />}
      {waiting.length === 0 ? (
        agents && runs.data ? (
          <Empty>Nobody waits for you.</Empty>
        ) : (
          !error && !runs.error && <Loading what="what waits" />
        )
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

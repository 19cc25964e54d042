// The inbox: all that agents, runs and runtimes need a person for, oldest first.

import { useAgents } from "../../server-state/agents";
import { useRuns } from "../../server-state/runs";
import { Empty, Failed, Loading } from "../../ui/states";
import { AttentionCard } from "../attention/attention-card";
import { RunQuestionCard } from "../runs/run-question";
import { BudgetCard } from "./budget-card";
import { RoomCard } from "./room-card";
import { TroubleCard } from "./trouble-card";
import { type Waiting, useWaiting } from "./waiting";

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
              <Card item={item} />
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function Card({ item }: { item: Waiting }) {
  switch (item.kind) {
    case "agent":
      return <AttentionCard agent={item.agent} attention={item.attention} withAgent />;
    case "trouble":
      return <TroubleCard agent={item.agent} error={item.error} since={item.since} />;
    case "budget":
      return <BudgetCard run={item.run} budget={item.budget} />;
    case "room":
      return <RoomCard runtime={item.runtime} warning={item.warning} since={item.since} />;
    case "run":
      return <RunQuestionCard {...item.open} withRun />;
  }
}

// What one agent uses over time, as the server measured it.

import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { getMetrics } from "../../api/agents";
import type { Agent } from "../../api/types";
import { keys } from "../../server-state/store";
import { useUsage } from "../../server-state/usage";
import { Failed, Loading } from "../../ui/states";
import { duration } from "../../ui/time";
import { Charts } from "./charts";
import { RangeChoice } from "./range-choice";
import { type Range, SPANS, seriesOf } from "./series";
import { inFigures } from "./words";

export function AgentUsage({ agent }: { agent: Agent }) {
  const [range, setRange] = useState<Range>("hour");
  const { data, error, refetch, dataUpdatedAt } = useUsage(agent.id, SPANS[range]);
  const series = useMemo(() => seriesOf(data?.points ?? [], range, dataUpdatedAt), [data, range, dataUpdatedAt]);
  const isOver = agent.status === "stopped";
  return (
    <div className="usage">
      {isOver && <Left agent={agent} />}
      <RangeChoice range={range} onChoose={setRange} />
      {!data ? (
        error ? <Failed error={error} retry={refetch} /> : <Loading what="what it used" />
      ) : (
        <>
          <p className="hint">
            Measured by the server every {data.everySeconds} s. What is not told is left out.
            {agent.stale && !isOver && " Its runtime is away: what is shown is from before."}
          </p>
          {data.points.length === 0 ? <p className="empty">{isOver ? "It was not measured while it lived." : "It was not measured yet."}</p> : <Charts series={series} range={range} />}
        </>
      )}
    </div>
  );
}

/** What an agent that has ended had used. */
function Left({ agent }: { agent: Agent }) {
  const { data: metrics, error, refetch } = useQuery({ queryKey: keys.metrics(agent.id), queryFn: () => getMetrics(agent.id), staleTime: 0, retry: false });
  if (!metrics) return error ? <Failed error={error} retry={refetch} /> : <Loading what="what it had used" />;
  const facts: [string, string][] = [
    ["Ran for", duration(metrics.uptimeSeconds * 1000)],
    ["Tokens read", inFigures("tokensIn", metrics.tokens?.input)],
    ["Tokens written", inFigures("tokensOut", metrics.tokens?.output)],
    ["Cost", inFigures("cost", metrics.costUsd)],
    ["Messages", `${metrics.messagesSent} accepted, ${metrics.messagesAnswered} answered`],
  ];
  return (
    <>
      <p className="hint">It has ended. This is what it had used, as far as it was told.</p>
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

// What one agent uses, over the time that this page has watched it.

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { getMetrics } from "../../api/agents";
import type { Agent } from "../../api/types";
import { keys } from "../../server-state/store";
import { EVERY_MS, useRounds } from "../../server-state/usage";
import { Empty, Failed, Loading } from "../../ui/states";
import { Clock, duration } from "../../ui/time";
import { Charts } from "./charts";
import { type Round, sampleOf, seriesOf } from "./series";
import { inFigures } from "./words";

export function AgentUsage({ agent }: { agent: Agent }) {
  if (agent.status === "stopped") return <Left agent={agent} />;
  return <Live agent={agent} />;
}

function Live({ agent }: { agent: Agent }) {
  const rounds = useRounds(agent.stale ? [] : [agent.id], false);
  const own = useMemo(() => sinceFirst(rounds, agent.id), [rounds, agent.id]);
  const series = useMemo(() => seriesOf(own, agent.id), [own, agent.id]);
  const first = own[0];
  if (!first) return agent.stale ? <Empty>Its runtime is away: nothing can be measured.</Empty> : <Loading what="the first measurement" />;
  return (
    <div className="usage">
      <p className="hint">
        Measured by this page every {EVERY_MS / 1000} s while it is looked at, since <Clock time={new Date(first.at).toISOString()} />. The server keeps no series.
      </p>
      {agent.stale && <p className="hint">Its runtime is away: what is shown is from before.</p>}
      <Charts series={series} />
    </div>
  );
}

/** Before it was first measured there is nothing to show. */
function sinceFirst(rounds: readonly Round[], id: string): readonly Round[] {
  const first = rounds.findIndex(({ samples }) => samples.has(id));
  return first < 0 ? [] : rounds.slice(first);
}

/** What an agent that has ended had used. */
function Left({ agent }: { agent: Agent }) {
  const { data: metrics, error, refetch } = useQuery({ queryKey: keys.metrics(agent.id), queryFn: () => getMetrics(agent.id), staleTime: 0, retry: false });
  if (!metrics) return error ? <Failed error={error} retry={refetch} /> : <Loading what="what it used" />;
  const { tokensIn, tokensOut, costUsd } = sampleOf(metrics, 0);
  const facts: [string, string][] = [
    ["Ran for", duration(metrics.uptimeSeconds * 1000)],
    ["Tokens read", inFigures("tokensIn", tokensIn)],
    ["Tokens written", inFigures("tokensOut", tokensOut)],
    ["Cost", inFigures("cost", costUsd)],
    ["Messages", `${metrics.messagesSent} accepted, ${metrics.messagesAnswered} answered`],
  ];
  return (
    <div className="usage">
      <p className="hint">It has ended. This is what it had used, as far as it was told.</p>
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

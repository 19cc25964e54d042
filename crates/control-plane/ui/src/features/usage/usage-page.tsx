// What all agents use: together over time, and each of them now.

import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import type { Agent } from "../../api/types";
import { useAgents } from "../../server-state/agents";
import { EVERY_MS, MAX_MEASURED, useRounds } from "../../server-state/usage";
import { Empty, Failed, Loading } from "../../ui/states";
import { Clock, Since } from "../../ui/time";
import { StatusDot, statusText } from "../agents/status";
import { Charts, toldBy } from "./charts";
import { type Figure, type Figures, latestOf, sumsOf } from "./series";
import { inFigures } from "./words";

export function UsagePage() {
  const { data: agents, error, refetch } = useAgents();
  return (
    <div className="page is-wide">
      <h1>Usage</h1>
      {agents ? <Measured agents={agents} /> : error ? <Failed error={error} retry={refetch} /> : <Loading what="agents" />}
    </div>
  );
}

function Measured({ agents }: { agents: ReadonlyMap<string, Agent> }) {
  const living = useMemo(() => measurable(agents.values()), [agents]);
  const isWhole = living.length <= MAX_MEASURED;
  // The same ids in the same order, whatever happens to the agents meanwhile.
  const ids = useMemo(() => living.slice(0, MAX_MEASURED).map(({ id }) => id).sort(), [living]);
  const rounds = useRounds(ids, true);
  const own = useMemo(() => rounds.slice(Math.max(0, rounds.findIndex(({ isAll }) => isAll))), [rounds]);
  const sums = useMemo(() => sumsOf(own), [own]);
  const latest = useMemo(() => latestOf(own), [own]);
  const told = useMemo(() => ({ of: latest.size, by: toldBy(latest.values()) }), [latest]);
  const first = own[0];
  if (living.length === 0) return <Empty>No agent lives that could be measured.</Empty>;
  if (!first?.isAll) return <Loading what="the first measurement" />;
  return (
    <div className="usage">
      <p className="hint">
        {isWhole ? `${living.length} ${living.length === 1 ? "agent lives" : "agents live"}.` : `The ${MAX_MEASURED} that were active last of ${living.length} agents that live.`} Measured by this page every {EVERY_MS / 1000} s while it is looked at, since{" "}
        <Clock time={new Date(first.at).toISOString()} />: the server keeps no series. Tokens and cost are as the CLIs tell them.
      </p>
      <Charts series={sums} told={told} />
      <Table agents={agents} latest={latest} />
    </div>
  );
}

/** Agents that live and can be asked, the last active first. */
function measurable(agents: Iterable<Agent>): Agent[] {
  const at = ({ lastActivityAt, createdAt }: Agent): string => lastActivityAt ?? createdAt;
  return [...agents].filter(({ status, stale }) => status !== "stopped" && !stale).sort((a, b) => at(b).localeCompare(at(a)));
}

const COLUMNS: readonly [Figure, string][] = [
  ["cpu", "CPU"],
  ["memory", "Memory"],
  ["tokensIn", "Tokens read"],
  ["tokensOut", "Tokens written"],
  ["cost", "Cost"],
];

function Table({ agents, latest }: { agents: ReadonlyMap<string, Agent>; latest: ReadonlyMap<string, Figures> }) {
  const [by, setBy] = useState<Figure>("cpu");
  const rows = [...latest].flatMap(([id, figures]) => {
    const agent = agents.get(id);
    return agent ? [{ agent, figures }] : [];
  });
  // What is not known is no little: it comes last.
  rows.sort((a, b) => (b.figures[by] ?? -1) - (a.figures[by] ?? -1) || a.agent.name.localeCompare(b.agent.name));
  return (
    <div className="table-box usage-table" tabIndex={0} role="region" aria-label="By agent">
      <table>
        <thead>
          <tr>
            <th scope="col">Agent</th>
            <th scope="col">Waits</th>
            {COLUMNS.map(([figure, title]) => (
              <th key={figure} scope="col" aria-sort={figure === by ? "descending" : undefined}>
                <button type="button" className="link" title={`Most first by ${title}`} onClick={() => setBy(figure)}>
                  {title}
                  {figure === by && " ↓"}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ agent, figures }) => (
            <tr key={agent.id}>
              <th scope="row">
                <StatusDot agent={agent} />
                <Link to="/agents/$id" params={{ id: agent.id }} search={{ view: "usage" }}>
                  {agent.name}
                </Link>
                <span className="muted">{`${agent.type} · ${statusText(agent)}`}</span>
              </th>
              <td>{agent.attention ? <Since time={agent.attention.since} /> : <span className="muted">–</span>}</td>
              {COLUMNS.map(([figure]) => (
                <td key={figure} className={figures[figure] === null ? "muted" : undefined}>
                  {inFigures(figure, figures[figure])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

// What all agents use: together over time, and each of them now.

import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import type { Agent } from "../../api/types";
import { useAgents } from "../../server-state/agents";
import { useAgentsUsage, useUsage } from "../../server-state/usage";
import { Empty, Failed, Loading } from "../../ui/states";
import { Since } from "../../ui/time";
import { waitsSince } from "../agents/columns";
import { StatusDot, statusText } from "../agents/status";
import { Charts, toldBy } from "./charts";
import { RangeChoice } from "./range-choice";
import { type Figure, type Figures, type Range, SPANS, figuresOf, seriesOf } from "./series";
import { inFigures } from "./words";

export function UsagePage() {
  const { range = "hour" } = useSearch({ from: "/usage" });
  const navigate = useNavigate();
  const { data: agents } = useAgents();
  const { data, error, refetch, dataUpdatedAt } = useUsage(undefined, SPANS[range]);
  const usage = useAgentsUsage();
  const series = useMemo(() => seriesOf(data?.points ?? [], range, dataUpdatedAt), [data, range, dataUpdatedAt]);
  const latest = useMemo(() => {
    const known = new Map<string, Figures>();
    for (const [id, measured] of usage) if (agents && agents.get(id)?.status !== "stopped" && agents.has(id)) known.set(id, figuresOf(measured));
    return known;
  }, [usage, agents]);
  const told = useMemo(() => ({ of: latest.size, by: toldBy(latest.values()) }), [latest]);
  const choose = (next: Range): void => void navigate({ to: ".", search: (before) => ({ ...before, range: next === "hour" ? undefined : next }), replace: true });
  return (
    <div className="page is-wide">
      <h1>Usage</h1>
      <RangeChoice range={range} onChoose={choose} />
      {!data ? (
        error ? <Failed error={error} retry={refetch} /> : <Loading what="what agents use" />
      ) : (
        <div className="usage">
          <p className="hint">
            {`${latest.size} ${latest.size === 1 ? "agent lives" : "agents live"}. `}Measured by the server every {data.everySeconds} s; a point is a minute or, over 30 days, an hour. CPU and memory are of those that live;
            tokens and cost, as the CLIs tell them, of all that were measured, those that ended too.
          </p>
          {data.points.length === 0 ? <Empty>Nothing was measured yet.</Empty> : <Charts series={series} range={range} told={told} />}
          {agents && (latest.size === 0 ? <Empty>No agent lives that was measured.</Empty> : <Table agents={agents} latest={latest} />)}
        </div>
      )}
    </div>
  );
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
              <td>
                <Waits agent={agent} />
              </td>
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

function Waits({ agent }: { agent: Agent }) {
  const since = waitsSince(agent);
  return since === undefined ? <span className="muted">–</span> : <Since time={since} />;
}

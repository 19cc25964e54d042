// Several terminals at once, each live, each in the size that it has.

import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import type { Agent } from "../../api/types";
import { useAgents } from "../../server-state/agents";
import { lazyPart } from "../../ui/lazy-part";
import { Empty, Failed, Loading } from "../../ui/states";
import { Needs, StatusDot } from "../agents/status";

const TerminalPane = lazyPart(async () => (await import("../terminal/terminal-pane")).TerminalPane, { loading: () => <Loading what="the terminal" /> });

/** Terminals at once at most: a browser draws no more of them quickly. */
export const MAX_SHOWN = 9;
/** Terminals that are shown when none were chosen. */
const UNASKED = 4;

export function TerminalsPage() {
  const { ids } = useSearch({ from: "/terminals" });
  const navigate = useNavigate();
  const { data: agents, error, refetch } = useAgents();
  if (!agents) return error ? <Failed error={error} retry={refetch} /> : <Loading what="agents" />;
  const living = [...agents.values()].filter(({ status }) => status !== "stopped").sort((a, b) => b.createdAt.localeCompare(a.createdAt));
  const chosen = (ids?.split(",").flatMap((id) => agents.get(id) ?? []) ?? living.slice(0, UNASKED)).slice(0, MAX_SHOWN);
  const show = (next: Agent[]): void => void navigate({ to: ".", search: (before) => ({ ...before, ids: next.map(({ id }) => id).join(",") }), replace: true });
  const others = living.filter(({ id }) => chosen.every((agent) => agent.id !== id));
  return (
    <div className="terminals-page">
      <header className="page-head">
        <h1>Terminals</h1>
        {chosen.length < MAX_SHOWN && others.length > 0 && (
          <select aria-label="Add a terminal" value="" onChange={({ target }) => show([...chosen, ...others.filter(({ id }) => id === target.value)])}>
            <option value="">Add a terminal …</option>
            {others.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        )}
      </header>
      {chosen.length === 0 ? (
        <Empty>No agent runs.</Empty>
      ) : (
        <ul className="terminal-grid" data-count={chosen.length}>
          {chosen.map((agent) => (
            <li key={agent.id} className="terminal-cell">
              <div className="cell-head">
                <StatusDot agent={agent} />
                <Link to="/agents/$id" params={{ id: agent.id }}>
                  {agent.name}
                </Link>
                <Needs agent={agent} />
                <button type="button" aria-label={`Close the terminal of ${agent.name}`} onClick={() => show(chosen.filter(({ id }) => id !== agent.id))}>
                  ×
                </button>
              </div>
              <TerminalPane agent={agent} isSmall />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

// The list of agents: virtual, and still under the pointer.

import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, memo, useEffect, useMemo, useRef, useState } from "react";
import type { Agent, AgentUsage } from "../../api/types";
import { useAgents } from "../../server-state/agents";
import { useAgentsUsage } from "../../server-state/usage";
import { useMayOperate } from "../session/scope";
import { Empty, Failed, Loading } from "../../ui/states";
import { Since } from "../../ui/time";
import { ColumnHeads } from "./column-choice";
import { COLUMN_WORDS, type Column, DASH, columnsAsText, columnsOf, shortWordsOf, waitsSince, wordsOf } from "./columns";
import { ENDED, GROUPINGS, type Grouping, type Row, SORTS, SORT_WORDS, type Sort, arrange, heldStill, isFigure } from "./order";
import { Needs, StatusDot, statusText } from "./status";

/** Heights in pixels; the style sheet has the same numbers. */
const ROW_HEIGHT = 54;
const ROW_HEIGHT_WITH_FIGURES = 72;
const HEAD_HEIGHT = 34;
/** How long after a touch the list stays still, in milliseconds: a finger hovers nowhere. */
const TOUCH_HOLDS_MS = 1500;

/** Where nothing is known of any agent's use, the same map: rows are not arranged anew. */
const NO_USAGE: ReadonlyMap<string, AgentUsage> = new Map();

/** `isPage`: nothing else is shown. */
export function AgentList({ onSpawn, onBulk, isPage }: { onSpawn: () => void; onBulk: () => void; isPage: boolean }) {
  const Heading = isPage ? "h1" : "h2";
  const { data: agents, isPending, error, refetch } = useAgents();
  const { q = "", by = "none", sort = "newest", ended = false, cols } = useSearch({ from: "__root__" });
  const columns = useMemo(() => columnsOf(cols), [cols]);
  const navigate = useNavigate();
  const mayOperate = useMayOperate();
  const setSearch = (next: { q?: string | undefined; by?: Grouping | undefined; sort?: Sort | undefined; ended?: true | undefined; cols?: string | undefined }): void =>
    void navigate({ to: ".", search: (search) => ({ ...search, ...next }), replace: true });
  return (
    <nav className="sidebar" aria-label="Agents">
      <div className="sidebar-head">
        <Heading>
          Agents <span className="count">{agents?.size ?? ""}</span>
        </Heading>
        {mayOperate && (
          <span className="sidebar-buttons">
            <button type="button" title="Stop, interrupt or message several agents" onClick={onBulk}>
              Several …
            </button>
            <button type="button" className="primary" onClick={onSpawn}>
              Spawn
            </button>
          </span>
        )}
      </div>
      <div className="filters">
        <input
          type="search"
          placeholder="Filter"
          aria-label="Filter agents by name, type, status, role or label"
          value={q}
          onChange={(event) => setSearch({ q: event.target.value || undefined })}
        />
        <select
          aria-label="Group by"
          value={by}
          onChange={(event) => {
            const chosen = GROUPINGS.find((grouping) => grouping === event.target.value) ?? "none";
            setSearch({ by: chosen === "none" ? undefined : chosen });
          }}
        >
          {GROUPINGS.map((grouping) => (
            <option key={grouping} value={grouping}>
              {grouping === "none" ? "no groups" : `by ${grouping}`}
            </option>
          ))}
        </select>
        <select
          aria-label="Sort by"
          value={sort}
          onChange={(event) => {
            const chosen = SORTS.find((known) => known === event.target.value) ?? "newest";
            setSearch({ sort: chosen === "newest" ? undefined : chosen });
          }}
        >
          {SORTS.map((known) => (
            <option key={known} value={known}>
              {SORT_WORDS[known]}
            </option>
          ))}
        </select>
      </div>
      {error && !agents ? (
        <Failed error={error} retry={refetch} />
      ) : isPending || !agents ? (
        <Loading what="agents" />
      ) : agents.size === 0 ? (
        <Empty>No agents yet.{mayOperate && " Spawn the first one."}</Empty>
      ) : (
        <>
          <ColumnHeads columns={columns} sort={sort} onSort={(next) => setSearch({ sort: next })} onChoose={(next) => setSearch({ cols: columnsAsText(next) })} />
          <Rows agents={agents} columns={columns} filter={q} grouping={by} sort={sort} showsEnded={ended} toggleEnded={() => setSearch({ ended: ended ? undefined : true })} />
        </>
      )}
    </nav>
  );
}

function Rows(props: {
  agents: ReadonlyMap<string, Agent>;
  columns: readonly Column[];
  filter: string;
  grouping: Grouping;
  sort: Sort;
  showsEnded: boolean;
  toggleEnded: () => void;
}) {
  const { agents, columns, filter, grouping, sort, showsEnded } = props;
  const usage = useAgentsUsage();
  const sortsBy = isFigure(sort) ? usage : NO_USAGE;
  const selected = useParams({ strict: false }).id;
  const box = useRef<HTMLDivElement>(null);
  const wanted = useMemo(() => arrange(agents.values(), filter, grouping, showsEnded, sort, sortsBy), [agents, filter, grouping, showsEnded, sort, sortsBy]);
  const rowHeight = columns.length > 0 ? ROW_HEIGHT_WITH_FIGURES : ROW_HEIGHT;
  const rows = useStill(box, wanted, agents, `${filter}\n${grouping}\n${sort}\n${showsEnded}`);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: (index) => (rows[index]?.kind === "head" ? HEAD_HEIGHT : rowHeight),
    getItemKey: (index) => rows[index]?.key ?? index,
    overscan: 8,
  });
  // Heights go with the rows.
  const kinds = rows.map(({ kind }) => kind[0]).join("");
  useEffect(() => virtual.measure(), [virtual, kinds, rowHeight]);
  return (
    <div className="agent-list" ref={box} onKeyDown={moveFocus} role="list" aria-label="Agents">
      {rows.length === 0 && <Empty>No agent matches.</Empty>}
      <div role="presentation" style={{ height: virtual.getTotalSize(), position: "relative" }}>
        {virtual.getVirtualItems().map(({ index, key, start }) => {
          const row = rows[index];
          return row ? (
            <div
              key={key}
              role="listitem"
              aria-setsize={rows.length}
              aria-posinset={index + 1}
              className="agent-slot"
              style={{ transform: `translateY(${start}px)` }}
            >
              {row.kind === "agent" ? (
                <AgentRow agent={row.agent} usage={usage.get(row.agent.id)} columns={columns} isSelected={row.key === selected} />
              ) : (
                <Head row={row} isOpen={showsEnded} toggle={props.toggleEnded} />
              )}
            </div>
          ) : null;
        })}
      </div>
    </div>
  );
}

function Head({ row, isOpen, toggle }: { row: Row & { kind: "head" }; isOpen: boolean; toggle: () => void }) {
  const text = (
    <>
      {row.label} <span className="count">{row.count}</span>
    </>
  );
  return row.key === ENDED ? (
    <button type="button" className="list-head" aria-expanded={isOpen} onClick={toggle}>
      {isOpen ? "▾" : "▸"} {text}
    </button>
  ) : (
    <p className="list-head">{text}</p>
  );
}

const AgentRow = memo(function AgentRow({ agent, usage, columns, isSelected }: { agent: Agent; usage: AgentUsage | undefined; columns: readonly Column[]; isSelected: boolean }) {
  return (
    <Link to="/agents/$id" params={{ id: agent.id }} className={`agent-row${columns.length > 0 ? " has-figures" : ""}`} aria-current={isSelected ? "page" : undefined} draggable={false}>
      <StatusDot agent={agent} />
      <span className="agent-row-text">
        <span className="agent-name">{agent.name}</span>
        <span className="agent-sub">{[agent.role ?? agent.type, agent.runtime, statusText(agent)].join(" · ")}</span>
      </span>
      <Needs agent={agent} />
      {columns.length > 0 && (
        <span className="agent-figures">
          {columns.map((column) => (
            <Cell key={column} column={column} agent={agent} usage={usage} />
          ))}
        </span>
      )}
    </Link>
  );
});

/** A figure; a dash where it is not known, or where nobody is waited for. */
function Cell({ column, agent, usage }: { column: Column; agent: Agent; usage: AgentUsage | undefined }) {
  const since = column === "waits" ? waitsSince(agent) : undefined;
  const words = column === "waits" ? DASH : wordsOf(column, usage);
  const isKnown = since !== undefined || words !== DASH;
  return (
    <span data-column={column} title={`${COLUMN_WORDS[column].title}${column === "waits" ? "" : isKnown ? `: ${words}` : ": not known"}`}>
      {since === undefined ? shortWordsOf(words) : <Since time={since} />}
    </span>
  );
}

/** The rows, held still while the pointer is over the list or a finger was just on it. `ask` is what the person asked for. */
function useStill(
  box: React.RefObject<HTMLDivElement | null>,
  wanted: Row[],
  agents: ReadonlyMap<string, Agent>,
  ask: string,
): Row[] {
  const [isHeld, setHeld] = useState(false);
  const shown = useRef<{ rows: Row[]; ask: string }>({ rows: [], ask });
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let release: ReturnType<typeof setTimeout> | undefined;
    const hold = ({ pointerType }: PointerEvent): void => {
      clearTimeout(release);
      setHeld(true);
      if (pointerType !== "mouse") release = setTimeout(() => setHeld(false), TOUCH_HOLDS_MS);
    };
    const leave = ({ pointerType }: PointerEvent): void => {
      if (pointerType === "mouse") setHeld(false);
    };
    element.addEventListener("pointermove", hold);
    element.addEventListener("pointerdown", hold);
    element.addEventListener("pointerleave", leave);
    return () => {
      clearTimeout(release);
      element.removeEventListener("pointermove", hold);
      element.removeEventListener("pointerdown", hold);
      element.removeEventListener("pointerleave", leave);
    };
  }, [box]);
  const rows = isHeld && shown.current.ask === ask ? heldStill(shown.current.rows, wanted, agents) : wanted;
  useEffect(() => {
    shown.current = { rows, ask };
  }, [rows, ask]);
  return rows;
}

/** Up and down move through the list, as in any list. */
function moveFocus(event: KeyboardEvent<HTMLDivElement>): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (step === 0) return;
  const rows = [...event.currentTarget.querySelectorAll<HTMLElement>("a, button")].sort(
    (a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top,
  );
  rows[rows.indexOf(document.activeElement as HTMLElement) + step]?.focus();
  event.preventDefault();
}

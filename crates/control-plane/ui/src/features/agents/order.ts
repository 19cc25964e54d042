// Which agents the list shows, and where.

import type { Agent, AgentUsage } from "../../api/types";
import { troubleOf } from "../attention/trouble";
import { type Column, numberOf, waitsSince } from "./columns";

export const GROUPINGS = ["none", "status", "type", "runtime", "role", "label", "run"] as const;
export type Grouping = (typeof GROUPINGS)[number];

export const SORTS = ["newest", "name", "waiting", "activity", "cpu", "memory", "tokens", "cost"] as const;
export type Sort = (typeof SORTS)[number];
/** How each is called. */
export const SORT_WORDS: Record<Sort, string> = { newest: "newest first", name: "by name", waiting: "longest waiting", activity: "last active", cpu: "most CPU", memory: "most memory", tokens: "most tokens", cost: "highest cost" };

export type Row = { kind: "head"; key: string; label: string; count: number } | { kind: "agent"; key: string; agent: Agent };

/** The key of the head of those that have ended. */
export const ENDED = "head:ended";

const STATUS_ORDER = ["needs you", "error", "busy", "starting", "ready"];

/** Whether an agent has all of these words somewhere. */
export function matches(agent: Agent, filter: string): boolean {
  const labels = Object.entries(agent.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  const text = [agent.name, agent.type, agent.runtime, agent.status, agent.role, agent.id, ...labels].join("\n").toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/**
 * The rows: the newest agent first unless sorted otherwise, in groups where wanted, those that have ended at the end and folded. An agent that needs
 * somebody stays where it is: the inbox is for that.
 */
export function arrange(agents: Iterable<Agent>, filter: string, grouping: Grouping, showsEnded: boolean, sort: Sort = "newest", usage: Usage = NO_USAGE): Row[] {
  const shown = [...agents].filter((agent) => matches(agent, filter)).sort(orderBy(sort, usage));
  const living = shown.filter(({ status }) => status !== "stopped");
  const ended = shown.filter(({ status }) => status === "stopped");
  const rows: Row[] = [];
  if (grouping === "none") rows.push(...living.map(row));
  else
    for (const [label, members] of grouped(living, grouping)) {
      rows.push({ kind: "head", key: `head:${label}`, label, count: members.length }, ...members.map(row));
    }
  if (ended.length > 0) rows.push({ kind: "head", key: ENDED, label: "ended", count: ended.length });
  if (showsEnded) rows.push(...ended.map(row));
  return rows;
}

const row = (agent: Agent): Row => ({ kind: "agent", key: agent.id, agent });

const newestFirst = (a: Agent, b: Agent): number => b.createdAt.localeCompare(a.createdAt) || b.id.localeCompare(a.id);

/** What is known of the use of each agent, by its id. */
export type Usage = ReadonlyMap<string, AgentUsage>;
const NO_USAGE: Usage = new Map();

/** Who has nothing of what is sorted by comes last. */
function orderBy(sort: Sort, usage: Usage): (a: Agent, b: Agent) => number {
  if (!isFigure(sort)) return ORDERS[sort];
  const figure = (agent: Agent): number => numberOf(sort, usage.get(agent.id)) ?? -1;
  return (a, b) => figure(b) - figure(a) || newestFirst(a, b);
}

type Figure = Exclude<Column, "waits">;
/** Whether it is by what agents use. */
export const isFigure = (sort: Sort): sort is Figure => sort === "cpu" || sort === "memory" || sort === "tokens" || sort === "cost";

const ORDERS: Record<Exclude<Sort, Figure>, (a: Agent, b: Agent) => number> = {
  newest: newestFirst,
  name: (a, b) => a.name.localeCompare(b.name) || newestFirst(a, b),
  waiting: (a, b) => (waitsSince(a) ?? "9").localeCompare(waitsSince(b) ?? "9") || newestFirst(a, b),
  activity: (a, b) => (b.lastActivityAt ?? "").localeCompare(a.lastActivityAt ?? "") || newestFirst(a, b),
};

function grouped(agents: readonly Agent[], grouping: Exclude<Grouping, "none">): [string, Agent[]][] {
  const groups = new Map<string, Agent[]>();
  for (const agent of agents) {
    const label = groupOf(agent, grouping);
    groups.set(label, [...(groups.get(label) ?? []), agent]);
  }
  const rank = (label: string): number => (grouping === "status" ? STATUS_ORDER.indexOf(label) : 0);
  return [...groups].sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b));
}

function groupOf(agent: Agent, grouping: Exclude<Grouping, "none">): string {
  switch (grouping) {
    case "status":
      return agent.attention || troubleOf(agent) ? "needs you" : agent.status;
    case "role":
      return agent.role ?? "no role";
    case "label": {
      const own = Object.entries(agent.labels ?? {}).filter(([key]) => !key.startsWith("parallax."));
      return own.length === 0 ? "no label" : own.map(([key, value]) => `${key}=${value}`).join(", ");
    }
    case "run": {
      const { "parallax.execution": run, "parallax.pattern": pattern } = agent.labels ?? {};
      return run === undefined ? "no run" : `${pattern ?? "run"} ${run.slice(-4)}`;
    }
    default:
      return agent[grouping];
  }
}

/**
 * The rows while the pointer is over the list: those that were shown stay where they are, new agents come at the end, and those
 * that should be elsewhere go there when the pointer has left. `all` has those that are not to be shown any more.
 */
export function heldStill(shown: readonly Row[], wanted: readonly Row[], all: ReadonlyMap<string, Agent>): Row[] {
  const byKey = new Map(wanted.map((row) => [row.key, row]));
  const before = new Set(shown.map(({ key }) => key));
  const stay = shown.flatMap((old): Row[] => {
    const now = byKey.get(old.key);
    if (now) return [now];
    // A group that has nobody left keeps its head: without it everything below would move.
    if (old.kind === "head") return [{ ...old, count: 0 }];
    const agent = all.get(old.key);
    return agent ? [{ ...old, agent }] : [];
  });
  return [...stay, ...wanted.filter(({ kind, key }) => !before.has(key) && (kind === "agent" || key === ENDED))];
}

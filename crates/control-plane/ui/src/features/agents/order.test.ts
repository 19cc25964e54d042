import { expect, test } from "vitest";
import type { Agent } from "../../api/types";
import { arrange, heldStill, matches } from "./order";

const agent = (id: string, more: Partial<Agent> = {}): Agent => ({
  id,
  name: id,
  type: "claude",
  status: "ready",
  runtime: "local",
  createdAt: `2026-01-01T00:00:0${id.length}.000Z`,
  updatedAt: "2026-01-01T00:00:00.000Z",
  ...more,
});
const keysOf = (rows: { key: string }[]): string[] => rows.map(({ key }) => key);
const byId = (...agents: Agent[]): Map<string, Agent> => new Map(agents.map((agent) => [agent.id, agent]));

test("the newest is first, and who needs somebody stays where it was", () => {
  const attention = { id: "q", kind: "question", text: "?", since: "2026-01-01T00:00:00.000Z" } as const;
  const rows = arrange([agent("a", { attention }), agent("aaa"), agent("aa")], "", "none", false);
  expect(keysOf(rows)).toEqual(["aaa", "aa", "a"]);
});

test("those that have ended are folded at the end", () => {
  const agents = [agent("a"), agent("aa", { status: "stopped" })];
  expect(keysOf(arrange(agents, "", "none", false))).toEqual(["a", "head:ended"]);
  expect(keysOf(arrange(agents, "", "none", true))).toEqual(["a", "head:ended", "aa"]);
});

test("groups have a head and a fixed order", () => {
  const agents = [agent("a"), agent("aa", { status: "busy" }), agent("aaa", { status: "error" })];
  expect(keysOf(arrange(agents, "", "status", false))).toEqual(["head:error", "aaa", "head:busy", "aa", "head:ready", "a"]);
});

test.each([
  ["", true],
  ["CLAUDE", true],
  ["local a", true],
  ["team=core", true],
  ["docker", false],
])("the filter %j fits: %s", (filter, fits) => {
  expect(matches(agent("a", { labels: { team: "core" } }), filter)).toBe(fits);
});

test("under the pointer nothing moves: what is new comes at the end, what ended stays, what is gone is gone", () => {
  const before = arrange([agent("aaa"), agent("aa"), agent("a")], "", "none", false);
  const all = byId(agent("a"), agent("aa", { status: "stopped" }), agent("aaaa"));
  const wanted = arrange(all.values(), "", "none", false);
  expect(keysOf(wanted)).toEqual(["aaaa", "a", "head:ended"]);
  expect(keysOf(heldStill(before, wanted, all))).toEqual(["aa", "a", "aaaa", "head:ended"]);
});

test("under the pointer a group stays that has nobody left, and its agents where they were", () => {
  const before = arrange([agent("a"), agent("aa", { status: "busy" })], "", "status", false);
  const all = byId(agent("a", { status: "busy" }), agent("aa", { status: "starting" }));
  const still = heldStill(before, arrange(all.values(), "", "status", false), all);
  expect(keysOf(still)).toEqual(["head:busy", "aa", "head:ready", "a"]);
});

test("sorted by name, by who waits longest, by what happened last", () => {
  const one = { ...agent("one"), name: "b", lastActivityAt: "2026-01-01T00:00:09.000Z" };
  const two = { ...agent("two"), name: "a", attention: { id: "q", kind: "permission" as const, text: "?", since: "2026-01-01T00:00:05.000Z" } };
  const order = (sort: "newest" | "name" | "waiting" | "activity"): string[] => arrange([one, two], "", "none", false, sort).map(({ key }) => key);
  expect(order("newest")).toEqual(["two", "one"]);
  expect(order("name")).toEqual(["two", "one"]);
  expect(order("waiting")).toEqual(["two", "one"]);
  expect(order("activity")).toEqual(["one", "two"]);
});

test("groups of labels and of runs", () => {
  const labelled = { ...agent("one"), labels: { team: "core", "parallax.execution": "01a2-beef", "parallax.pattern": "team" } };
  const heads = (by: "label" | "run"): string[] => arrange([labelled, agent("two")], "", by, false).flatMap((row) => (row.kind === "head" ? [row.label] : []));
  expect(heads("label")).toEqual(["no label", "team=core"]);
  expect(heads("run")).toEqual(["no run", "team beef"]);
});

test("sorted by what is used: the most first, and who is not known last", () => {
  const usage = new Map([
    ["a", { agentId: "a", at: "2026-01-01T00:00:00.000Z", cpuPercent: 0, tokens: { input: 5, output: 5 } }],
    ["aa", { agentId: "aa", at: "2026-01-01T00:00:00.000Z", cpuPercent: 7 }],
  ]);
  const order = (sort: "cpu" | "tokens"): string[] => keysOf(arrange([agent("aaa"), agent("a"), agent("aa")], "", "none", false, sort, usage));
  expect(order("cpu")).toEqual(["aa", "a", "aaa"]);
  expect(order("tokens")).toEqual(["a", "aaa", "aa"]);
});

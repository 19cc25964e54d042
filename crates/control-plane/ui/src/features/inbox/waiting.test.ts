import { expect, test } from "vitest";
import type { Agent, RunSummary, Runtime } from "../../api/types";
import type { OpenRunQuestion } from "../../server-state/runs";
import { waitingOf } from "./waiting";

const at = (second: number): string => `2026-01-01T00:00:0${second}.000Z`;
const asking = (id: string, since: number, more: Partial<Agent> = {}): [string, Agent] => [
  id,
  {
    id,
    name: id,
    type: "claude",
    status: "busy",
    runtime: "local",
    createdAt: at(0),
    updatedAt: at(0),
    attention: { id: `q-${id}`, kind: "permission", text: "?", since: at(since) },
    ...more,
  },
];
const open = (id: string, since: number, attentionId?: string): OpenRunQuestion => ({
  runId: "run",
  pattern: "team",
  question: { id, kind: "approval", step: "0", text: "?", since: at(since), asked: ["user"], forUser: true, attentionId },
});
const keysOf = (...args: Parameters<typeof waitingOf>): string[] => waitingOf(...args).map(({ key }) => key);

test("who waits longest is first, of agents and runs alike", () => {
  expect(keysOf(new Map([asking("b", 3), asking("a", 1)]), [open("approve", 2)])).toEqual(["a/q-a", "run/approve", "b/q-b"]);
});

test("a dialog of an agent of a run is told once", () => {
  expect(keysOf(new Map([asking("a", 1)]), [open("q", 1, "q-a")])).toEqual(["a/q-a"]);
});

test("who has ended waits for nobody", () => {
  expect(keysOf(new Map([asking("a", 1, { status: "stopped" })]), [])).toEqual([]);
});

const failed = (id: string, code: string, since: number | undefined, more: Partial<Agent> = {}): [string, Agent] => {
  const [, agent] = asking(id, 0);
  const { attention: _none, ...rest } = agent;
  return [id, { ...rest, status: "ready", error: { code, message: "no more", ...(since === undefined ? {} : { since: at(since) }) }, ...more }];
};

test("who gets no more from its provider waits; who failed otherwise, asks, or has ended does not wait for that", () => {
  const agents = new Map([failed("a", "rate_limit", 4), failed("b", "network", 1), failed("c", "auth", 2), failed("d", "rate_limit", 1, { status: "stopped" }), failed("e", "auth", 1, { attention: { id: "q-e", kind: "login", text: "?", since: at(3) } })]);
  expect(keysOf(agents, [])).toEqual([`c/auth/${at(2)}`, "e/q-e", `a/rate_limit/${at(4)}`]);
});

test("a runtime without room waits since it said so, and last where it does not say since when", () => {
  const runtime = (name: string, since?: number): Runtime =>
    ({ name, workspaces: { bytes: 1, warning: "full", ...(since === undefined ? {} : { warningSince: at(since) }) } }) as Runtime;
  expect(keysOf(new Map([asking("a", 2)]), [], [runtime("old"), runtime("new", 1), { name: "fine", workspaces: { bytes: 1 } } as Runtime])).toEqual([`new/room/${at(1)}`, "a/q-a", "old/room/"]);
});

test("a run that has sent most of its messages waits for more", () => {
  const run = (id: string, more: Partial<RunSummary> = {}): RunSummary => ({ id, pattern: "team", status: "running", createdAt: at(0), questions: 0, budget: { sent: 8, most: 10, warningSince: at(3) }, ...more });
  const runs = [run("r"), run("fine", { budget: { sent: 1, most: 10 } }), run("over", { status: "failed" })];
  expect(keysOf(new Map(), [], [], runs)).toEqual(["r/budget/10"]);
});

import { expect, test } from "vitest";
import type { Agent } from "../../api/types";
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

import { expect, test } from "vitest";
import type { Agent, AgentUsage } from "../../api/types";
import { columnsAsText, columnsOf, waitsSince, wordsOf } from "./columns";

const usage = (more: Partial<AgentUsage>): AgentUsage => ({ agentId: "a", at: "2026-01-01T00:00:00.000Z", ...more });

test("what is not known is a dash, and nothing is no little", () => {
  expect((["cpu", "memory", "tokens", "cost"] as const).map((column) => wordsOf(column, undefined))).toEqual(["–", "–", "–", "–"]);
  expect(wordsOf("tokens", usage({ tokens: { input: 1200, output: 34 } }))).toBe("1,234");
  expect(wordsOf("cpu", usage({ cpuPercent: 0 }))).toBe("0.0 %");
});

test("columns in the address", () => {
  expect(columnsOf(undefined)).toHaveLength(5);
  expect(columnsOf("waits,cpu,nonsense")).toEqual(["cpu", "waits"]);
  expect(columnsOf("none")).toEqual([]);
  expect([columnsAsText(columnsOf(undefined)), columnsAsText([]), columnsAsText(["waits", "cpu"])]).toEqual([undefined, "none", "cpu,waits"]);
});

test("who is out of quota waits like who asks, and who has ended waits for nobody", () => {
  const error = { code: "rate_limit", message: "no more", since: "2026-01-01T00:00:01.000Z" };
  const agent = { status: "ready", error } as Agent;
  expect(waitsSince(agent)).toBe(error.since);
  expect(waitsSince({ ...agent, status: "stopped" })).toBeUndefined();
  expect(waitsSince({ ...agent, error: { ...error, code: "network" } })).toBeUndefined();
});

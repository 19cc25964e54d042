import { expect, test } from "vitest";
import { type Round, type Sample, latestOf, sampleOf, seriesOf, sumsOf } from "./series";
import { inFigures } from "./words";

const sample = (at: number, more: Partial<Sample> = {}): Sample => ({ at, cpuSeconds: null, memoryBytes: null, tokensIn: null, tokensOut: null, costUsd: null, ...more });
const round = (at: number, samples: Record<string, Partial<Sample>>, more: Partial<Round> = {}): Round => ({
  at,
  isAll: true,
  missing: 0,
  samples: new Map(Object.entries(samples).map(([id, own]) => [id, sample(at, own)])),
  ...more,
});

test("what a CLI does not tell is not known, and not zero", () => {
  const metrics = { cpuSeconds: 0, memoryBytes: 0, processes: 0, uptimeSeconds: 1, outputBytes: 0, inputBytes: 0, messagesSent: 0, messagesAnswered: 0 };
  expect(sampleOf(metrics, 1)).toEqual(sample(1));
  expect(inFigures("cost", seriesOf([round(1, { a: {} })], "a").cost[0])).toBe("not known");
});

test("CPU is the time used between two measurements; not known for the first, after a long gap, and when processes ended", () => {
  const used = (at: number, cpuSeconds: number): Round => round(at, { a: { cpuSeconds } });
  expect(seriesOf([used(0, 1), used(5000, 3.5), used(10_000, 2), used(600_000, 50)], "a").cpu).toEqual([null, 50, null, null]);
});

test("a round without the agent is a gap", () => {
  expect(seriesOf([round(1000, { a: { memoryBytes: 5 } }), round(2000, { b: { memoryBytes: 7 } })], "a")).toMatchObject({ times: [1, 2], memory: [5, null] });
});

test("a sum is of those that are known; there is none when somebody did not answer, or not all were asked", () => {
  const both = { a: { memoryBytes: 5, costUsd: 1 }, b: { memoryBytes: 7 } };
  const sums = sumsOf([round(1, both), round(2, { a: both.a }, { missing: 1 }), round(3, both, { isAll: false })]);
  expect(sums.memory).toEqual([12, null, null]);
  expect(sums.cost).toEqual([1, null, null]);
  expect(sums.tokensIn).toEqual([null, null, null]);
});

test("the last figures are of the last round of all", () => {
  const rounds = [round(0, { a: { cpuSeconds: 1 } }), round(1000, { a: { cpuSeconds: 1.5 }, b: { memoryBytes: 3 } }), round(2000, { c: {} }, { isAll: false })];
  expect([...latestOf(rounds)].map(([id, { cpu, memory }]) => [id, cpu, memory])).toEqual([["a", 50, null], ["b", null, 3]]);
});

test("figures in words", () => {
  expect([inFigures("cpu", 3.14), inFigures("memory", 3 * 2 ** 30), inFigures("tokensIn", 1_234_567), inFigures("cost", 0.0123)]).toEqual(["3.1 %", "3.0 GiB", "1.23 M", "$0.0123"]);
});

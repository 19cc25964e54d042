import { expect, test } from "vitest";
import type { UsagePoint } from "../../api/types";
import { continued } from "../../server-state/usage";
import { figuresOf, seriesOf } from "./series";
import { inFigures } from "./words";

const MINUTE = 60_000;
const point = (minute: number, more: Partial<UsagePoint> = {}): UsagePoint => ({ at: new Date(minute * MINUTE).toISOString(), ...more });

test("what nobody told is not known, and not zero", () => {
  expect(figuresOf(point(1))).toEqual({ cpu: null, memory: null, tokensIn: null, tokensOut: null, cost: null });
  expect(figuresOf(point(1, { cpuPercent: 0, costUsd: 0, tokens: { input: 0, output: 3 } }))).toEqual({ cpu: 0, memory: null, tokensIn: 0, tokensOut: 3, cost: 0 });
  expect([inFigures("cost", null), inFigures("cost", 0)]).toEqual(["not known", "$0.00"]);
});

test("a time in which nothing was measured breaks the line", () => {
  const { times, memory } = seriesOf([point(1, { memoryBytes: 5 }), point(2, { memoryBytes: 6 }), point(9, { memoryBytes: 7 })], "day", 10 * MINUTE);
  expect(times).toEqual([60, 120, 180, 540]);
  expect(memory).toEqual([5, 6, null, 7]);
});

test("hours are further apart than minutes", () => {
  expect(seriesOf([point(0), point(60), point(120)], "month", 120 * MINUTE).times).toHaveLength(3);
});

test("the last hour is of the last hour", () => {
  expect(seriesOf([point(1), point(3), point(62)], "hour", 62.5 * MINUTE).times).toEqual([180, 240, 3720]);
});

test("what came since takes the place of the minute that was not over", () => {
  const known = [point(1, { memoryBytes: 1 }), point(2, { memoryBytes: 2 })];
  expect(continued(known, [point(2, { memoryBytes: 3 }), point(3)]).map(({ memoryBytes }) => memoryBytes)).toEqual([1, 3, undefined]);
  expect(continued(known, [])).toEqual(known);
});

test("figures in words", () => {
  expect([inFigures("cpu", 3.14), inFigures("memory", 3 * 2 ** 30), inFigures("tokensIn", 1_234_567), inFigures("cost", 0.0123)]).toEqual(["3.1 %", "3.0 GiB", "1.23 M", "$0.0123"]);
});

test("points from before a long gap are not of the range", () => {
  const day = 24 * 60;
  expect(seriesOf([point(0), point(3 * day)], "day", 3 * day * MINUTE).times).toEqual([3 * day * 60]);
  expect(seriesOf([point(0), point(40 * day)], "month", 40 * day * MINUTE).times).toEqual([40 * day * 60]);
});

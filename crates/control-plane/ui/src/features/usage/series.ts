// What was measured of agents, as series over time. What is not known is null, and a gap in a chart: never zero.

import type { AgentUsage, UsagePoint, UsageSpan } from "../../api/types";

export const FIGURES = ["cpu", "memory", "tokensIn", "tokensOut", "cost"] as const;
export type Figure = (typeof FIGURES)[number];

/** CPU in percent of one core, memory in bytes, tokens, US dollars. */
export type Figures = Record<Figure, number | null>;

/** Figures over time: each list is as long as `times` (seconds since 1970). */
export interface Series extends Record<Figure, (number | null)[]> {
  times: number[];
}

export const UNKNOWN_FIGURES: Figures = { cpu: null, memory: null, tokensIn: null, tokensOut: null, cost: null };

/** How far back is looked, and which series has it. */
export const RANGES = ["hour", "day", "month"] as const;
export type Range = (typeof RANGES)[number];
export const SPANS: Record<Range, UsageSpan> = { hour: "minutes", day: "minutes", month: "hours" };
export const RANGE_SECONDS: Record<Range, number> = { hour: 3600, day: 86_400, month: 30 * 86_400 };
export const RANGE_WORDS: Record<Range, string> = { hour: "last hour", day: "24 hours", month: "30 days" };

const STEP_MS: Record<UsageSpan, number> = { minutes: 60_000, hours: 3_600_000 };
/** A point that comes later than so many steps after the one before leaves a gap. */
const GAP_STEPS = 1.5;

/** The figures of a point, or of an agent's last measurement. */
export const figuresOf = ({ cpuPercent, memoryBytes, tokens, costUsd }: UsagePoint | AgentUsage): Figures => ({
  cpu: cpuPercent ?? null,
  memory: memoryBytes ?? null,
  tokensIn: tokens?.input ?? null,
  tokensOut: tokens?.output ?? null,
  cost: costUsd ?? null,
});

/** Points as series, as far as the range goes back from `now` (in milliseconds). Where nothing was measured for a while, lines break. */
export function seriesOf(points: readonly UsagePoint[], range: Range, now: number): Series {
  const made: Series = { times: [], cpu: [], memory: [], tokensIn: [], tokensOut: [], cost: [] };
  const step = STEP_MS[SPANS[range]];
  const put = (at: number, figures: Figures): void => {
    made.times.push(at / 1000);
    for (const figure of FIGURES) made[figure].push(figures[figure]);
  };
  let before: number | undefined;
  for (const point of points) {
    const at = Date.parse(point.at);
    // Points are kept by their number: where nothing was measured for long, further back.
    if (at < now - 1000 * RANGE_SECONDS[range] - step) continue;
    if (before !== undefined && at - before > step * GAP_STEPS) put(before + step, UNKNOWN_FIGURES);
    put(at, figuresOf(point));
    before = at;
  }
  return made;
}

// What was measured of agents, as series over time. What is not known is null, and a gap in a chart: never zero.

import type { Metrics } from "../../api/types";

/** What one agent used at one moment. */
export interface Sample {
  /** In milliseconds since 1970. */
  at: number;
  cpuSeconds: number | null;
  memoryBytes: number | null;
  tokensIn: number | null;
  tokensOut: number | null;
  costUsd: number | null;
}

/** Agents that were asked together. */
export interface Round {
  at: number;
  /** Whether all agents were asked that may be: only such rounds have sums. */
  isAll: boolean;
  /** How many of those that were asked did not answer. */
  missing: number;
  samples: ReadonlyMap<string, Sample>;
}

export const FIGURES = ["cpu", "memory", "tokensIn", "tokensOut", "cost"] as const;
export type Figure = (typeof FIGURES)[number];

/** CPU in percent of one core, memory in bytes, tokens, US dollars. */
export type Figures = Record<Figure, number | null>;

/** Figures over time: each list is as long as `times` (seconds since 1970). */
export interface Series extends Record<Figure, (number | null)[]> {
  times: number[];
}

const NOTHING: Figures = { cpu: null, memory: null, tokensIn: null, tokensOut: null, cost: null };

/** Between two measurements that are further apart, in milliseconds, the CPU's use is not known. */
const APART_MS = 60_000;

/** What is known of it. Without a process that could be measured, neither CPU nor memory are. */
export function sampleOf(metrics: Metrics, at: number): Sample {
  const { cpuSeconds, memoryBytes, processes, tokens, costUsd } = metrics;
  const isMeasured = processes > 0;
  return {
    at,
    cpuSeconds: isMeasured ? cpuSeconds : null,
    memoryBytes: isMeasured ? memoryBytes : null,
    tokensIn: tokens?.input ?? null,
    tokensOut: tokens?.output ?? null,
    costUsd: costUsd ?? null,
  };
}

/** The share of a core between two measurements. Counted here: what the server says is since anybody's last asking. */
function cpuBetween(before: Sample | undefined, now: Sample): number | null {
  if (before?.cpuSeconds == null || now.cpuSeconds === null || now.at <= before.at || now.at - before.at > APART_MS) return null;
  // Of processes that live: when one ends, its time goes.
  if (now.cpuSeconds < before.cpuSeconds) return null;
  return (100_000 * (now.cpuSeconds - before.cpuSeconds)) / (now.at - before.at);
}

const figuresOf = (before: Sample | undefined, now: Sample): Figures => ({
  cpu: cpuBetween(before, now),
  memory: now.memoryBytes,
  tokensIn: now.tokensIn,
  tokensOut: now.tokensOut,
  cost: now.costUsd,
});

/** One agent over time. */
export function seriesOf(rounds: readonly Round[], id: string): Series {
  let before: Sample | undefined;
  return series(rounds, ({ samples }) => {
    const now = samples.get(id);
    if (!now) return NOTHING;
    const figures = figuresOf(before, now);
    before = now;
    return figures;
  });
}

/** All agents that were asked, together: the sum of what is known of each. A round that somebody did not answer has no sum. */
export function sumsOf(rounds: readonly Round[]): Series {
  const before = new Map<string, Sample>();
  return series(rounds, ({ isAll, missing, samples }) => {
    const sum = { ...NOTHING };
    for (const [id, now] of samples) {
      const figures = figuresOf(before.get(id), now);
      before.set(id, now);
      for (const figure of FIGURES) if (figures[figure] !== null) sum[figure] = (sum[figure] ?? 0) + figures[figure];
    }
    return isAll && missing === 0 ? sum : NOTHING;
  });
}

function series(rounds: readonly Round[], figures: (round: Round) => Figures): Series {
  const made: Series = { times: [], cpu: [], memory: [], tokensIn: [], tokensOut: [], cost: [] };
  for (const round of rounds) {
    const now = figures(round);
    made.times.push(round.at / 1000);
    for (const figure of FIGURES) made[figure].push(now[figure]);
  }
  return made;
}

/** The last figures of each agent that was asked in the last round of all. */
export function latestOf(rounds: readonly Round[]): Map<string, Figures> {
  const last = rounds.findLastIndex(({ isAll }) => isAll);
  const latest = new Map<string, Figures>();
  if (last < 0) return latest;
  for (const [id, now] of rounds[last]!.samples) {
    const before = rounds.slice(0, last).findLast(({ samples }) => samples.has(id))?.samples.get(id);
    latest.set(id, figuresOf(before, now));
  }
  return latest;
}

// Figures as a person reads them.

import type { Figure } from "./series";

export const UNKNOWN = "not known";

const WORDS: Record<Figure, (value: number) => string> = {
  cpu: (percent) => `${percent.toFixed(percent < 10 ? 1 : 0)} %`,
  memory: (bytes) => (bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(0)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`),
  tokensIn: (count) => short(count),
  tokensOut: (count) => short(count),
  cost: (dollars) => `$${dollars.toFixed(dollars > 0 && dollars < 0.1 ? 4 : 2)}`,
};

/** A figure in words. */
export const inFigures = (figure: Figure, value: number | null | undefined): string => (value == null ? UNKNOWN : WORDS[figure](value));

function short(count: number): string {
  if (count < 10_000) return count.toLocaleString("en");
  return count < 1_000_000 ? `${(count / 1000).toFixed(count < 100_000 ? 1 : 0)} k` : `${(count / 1_000_000).toFixed(2)} M`;
}

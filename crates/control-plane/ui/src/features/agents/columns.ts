// What a row of the list says of an agent's use, as far as it is known.

import type { Agent, AgentUsage } from "../../api/types";
import { troubleOf } from "../attention/trouble";
import { type Figure, figuresOf } from "../usage/series";
import { inFigures } from "../usage/words";

export const COLUMNS = ["cpu", "memory", "tokens", "cost", "waits"] as const;
export type Column = (typeof COLUMNS)[number];

/** `head`: what there is room for above a row. */
export const COLUMN_WORDS: Record<Column, { head: string; title: string }> = {
  cpu: { head: "CPU", title: "CPU, of one core" },
  memory: { head: "Mem", title: "Resident memory" },
  tokens: { head: "Tok", title: "Tokens read and written so far" },
  cost: { head: "Cost", title: "Cost so far" },
  waits: { head: "Waits", title: "How long it has waited for a person" },
};

/** Shown in place of what is not known. */
export const DASH = "–";

/** Which columns are shown; none said: all. `none` is a word of the address. */
export function columnsOf(text: string | undefined): readonly Column[] {
  if (text === undefined) return COLUMNS;
  const wanted = text.split(",");
  return COLUMNS.filter((column) => wanted.includes(column));
}

/** The same for the address. */
export const columnsAsText = (columns: readonly Column[]): string | undefined =>
  columns.length === COLUMNS.length ? undefined : columns.length === 0 ? "none" : COLUMNS.filter((column) => columns.includes(column)).join(",");

/** A number of it, to sort by; null where it is not known. Who waits for nobody has no waiting time. */
export function numberOf(column: Exclude<Column, "waits">, usage: AgentUsage | undefined): number | null {
  if (!usage) return null;
  const { cpu, memory, tokensIn, tokensOut, cost } = figuresOf(usage);
  if (column === "tokens") return tokensIn === null && tokensOut === null ? null : (tokensIn ?? 0) + (tokensOut ?? 0);
  return { cpu, memory, cost }[column];
}

const FIGURE: Record<Exclude<Column, "waits">, Figure> = { cpu: "cpu", memory: "memory", tokens: "tokensIn", cost: "cost" };

/** It in words; a dash where it is not known. */
export function wordsOf(column: Exclude<Column, "waits">, usage: AgentUsage | undefined): string {
  const number = numberOf(column, usage);
  return number === null ? DASH : inFigures(FIGURE[column], number);
}

/** The same where there is little room: 244M for 244 MiB, 3.9% for 3.9 %. */
export const shortWordsOf = (words: string): string => words.replace(/ (?:([KMG])iB|([kM%]))$/, "$1$2");

/** Since when an agent waits for a person. */
export const waitsSince = (agent: Agent): string | undefined => (agent.status === "stopped" ? undefined : (agent.attention?.since ?? troubleOf(agent)?.since ?? undefined));

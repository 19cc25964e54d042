// The four charts of what is used: of one agent, or of all.

import { useMemo } from "react";
import { lazyPart } from "../../ui/lazy-part";
import type { ChartProps, Line } from "./chart";
import { FIGURES, type Figure, RANGE_SECONDS, RANGE_WORDS, type Range, type Series } from "./series";
import { UNKNOWN, inFigures } from "./words";
import "./usage.css";

// What draws them is loaded when there is something to draw.
const Chart = lazyPart(async () => (await import("./chart")).default, { loading: () => <p className="muted usage-nothing">Loading the chart …</p> });

interface Part {
  title: string;
  /** In the chart, in order. */
  lines: { name: string; figure: Figure; color: string }[];
  /** What is said where nothing is known. */
  unknown: string;
}

const PARTS: readonly Part[] = [
  { title: "CPU", lines: [{ name: "of one core", figure: "cpu", color: "--busy" }], unknown: "It takes two measurements." },
  { title: "Memory", lines: [{ name: "resident", figure: "memory", color: "--accent" }], unknown: "The runtime does not tell." },
  {
    title: "Tokens",
    lines: [
      { name: "read", figure: "tokensIn", color: "--ready" },
      { name: "written", figure: "tokensOut", color: "--starting" },
    ],
    unknown: "No CLI here tells, or none has used any yet.",
  },
  { title: "Cost", lines: [{ name: "so far", figure: "cost", color: "--error" }], unknown: "No CLI here tells, or nothing was spent yet." },
];

/** `told`: by how many of how many each figure is told, where it is a sum. */
export function Charts({ series, range, told }: { series: Series; range: Range; told?: { of: number; by: Record<Figure, number> } }) {
  // Not the same as a figure that nobody tells.
  if (series.times.length === 0) return <p className="empty">{`Nothing was measured in the ${range === "hour" ? "" : "last "}${RANGE_WORDS[range]}.`}</p>;
  return (
    <ul className="usage-parts">
      {PARTS.map(({ title, lines, unknown }) => (
        <li key={title} className="card">
          <div className="card-head">
            <h2>{title}</h2>
            <strong className="usage-now">{lines.map(({ figure }) => inFigures(figure, lastOf(series[figure]))).filter((word, index, all) => word !== UNKNOWN || all.indexOf(word) === index).join(" · ")}</strong>
            {told && lines[0] && told.by[lines[0].figure] > 0 && told.by[lines[0].figure] < told.of && (
              <span className="muted">{`told by ${told.by[lines[0].figure]} of ${told.of}`}</span>
            )}
          </div>
          {lines.some(({ figure }) => series[figure].some((value) => value !== null)) ? <Drawn label={title} series={series} range={range} lines={lines} /> : <p className="muted usage-nothing">{unknown}</p>}
        </li>
      ))}
    </ul>
  );
}

function Drawn({ label, series, range, lines }: { label: string; series: Series; range: Range; lines: Part["lines"] }) {
  const drawn = useMemo((): Omit<ChartProps, "label" | "hasDates" | "seconds"> => ({ times: series.times, lines: lines.map((line): Line => ({ ...line, values: series[line.figure] })) }), [series, lines]);
  return <Chart label={label} hasDates={range === "month"} seconds={RANGE_SECONDS[range]} {...drawn} />;
}

const lastOf = (values: readonly (number | null)[]): number | null => values.findLast((value) => value !== null) ?? null;

/** How many of these tell each figure. */
export const toldBy = (all: Iterable<Record<Figure, number | null>>): Record<Figure, number> => {
  const by: Record<Figure, number> = { cpu: 0, memory: 0, tokensIn: 0, tokensOut: 0, cost: 0 };
  for (const figures of all) for (const figure of FIGURES) if (figures[figure] !== null) by[figure] += 1;
  return by;
};

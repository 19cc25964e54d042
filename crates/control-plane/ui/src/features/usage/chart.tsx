// A chart over time, drawn by uPlot. It is loaded when somebody looks at one.

import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useSystemDark } from "../../ui/media";
import { useTheme } from "../theme/theme";
import type { Figure } from "./series";
import { inFigures } from "./words";

/** In pixels. */
const HEIGHT = 132;
/** Room for the words of the upright axis, in pixels. */
const AXIS = 66;

export interface Line {
  name: string;
  figure: Figure;
  values: (number | null)[];
  /** A colour of the style sheet. */
  color: string;
}

/** `times`: in seconds since 1970. What was not measured is null, and a gap. */
export interface ChartProps {
  label: string;
  times: number[];
  lines: Line[];
  /** Whether times are of several days. */
  hasDates: boolean;
  /** How much time there is room for, in seconds: what was not measured is empty. */
  seconds: number;
}

export default function Chart({ label, times, lines, hasDates, seconds }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const [under, setUnder] = useState<number>();
  const theme = useTheme();
  const isSystemDark = useSystemDark();
  const shown = useRef({ times, lines });
  shown.current = { times, lines };
  const names = lines.map(({ name }) => name).join("\n");
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = new uPlot(optionsOf(element, shown.current.lines, hasDates, seconds, setUnder), dataOf(shown.current), element);
    plot.current = made;
    const sizes = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    sizes.observe(element);
    return () => {
      sizes.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [names, theme, isSystemDark, hasDates, seconds]);
  useEffect(() => plot.current?.setData(dataOf({ times, lines })), [times, lines]);
  const index = under !== undefined && under < times.length ? under : times.length - 1;
  const time = times[index];
  return (
    <figure className="usage-chart">
      <div ref={box} role="img" aria-label={`${label} over time`} />
      <figcaption>
        {time !== undefined && <span className="muted">{clock(time, hasDates)}</span>}
        {lines.map(({ name, figure, values, color }) => (
          <span key={name}>
            <span className="usage-key" style={{ background: `var(${color})` }} aria-hidden="true" />
            {name} <strong>{inFigures(figure, values[index])}</strong>
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

const dataOf = ({ times, lines }: Pick<ChartProps, "times" | "lines">): uPlot.AlignedData => [times, ...lines.map(({ values }) => values)];

const clock = (seconds: number, hasDate: boolean): string =>
  new Date(seconds * 1000).toLocaleString([], { ...(hasDate ? { day: "numeric", month: "short" } : {}), hour: "2-digit", minute: "2-digit", hour12: false });

/** A canvas takes no colours of the style sheet: they are asked for. */
function colorOf(element: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function optionsOf(element: HTMLElement, lines: readonly Line[], hasDates: boolean, seconds: number, setUnder: (index: number | undefined) => void): uPlot.Options {
  const [words, grid] = [colorOf(element, "--muted"), { stroke: colorOf(element, "--line"), width: 1 }];
  const figure = lines[0]?.figure ?? "cpu";
  const axis: uPlot.Axis = { stroke: words, grid, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  return {
    width: Math.max(1, element.clientWidth),
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { range: (_, __, last) => [last - seconds, last] }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.15 : 1] } },
    axes: [
      { ...axis, space: 90, size: 26, values: (_, splits) => splits.map((at) => clock(at, hasDates)) },
      { ...axis, space: 34, size: AXIS, values: (_, splits) => splits.map((value) => inFigures(figure, value)) },
    ],
    series: [
      {},
      ...lines.map(({ name, color }) => ({
        label: name,
        stroke: colorOf(element, color),
        width: 1.75,
        points: { size: 4, fill: colorOf(element, color) },
        fill: lines.length === 1 ? colorOf(element, color).replace(/^rgb\((.*)\)$/, "rgb($1 / 12%)").replace(/, /g, " ") : undefined,
        spanGaps: false,
      })),
    ],
    hooks: { setCursor: [({ cursor: { idx } }) => setUnder(idx ?? undefined)] },
  } as uPlot.Options;
}

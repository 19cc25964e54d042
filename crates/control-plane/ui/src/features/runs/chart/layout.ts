// Where the roles of an org chart stand: laid out by elk, whose code is loaded with the chart.

import ELK from "elkjs/lib/elk.bundled.js";
import type { ChartRole } from "../../../api/types";

/** The size of a role on the chart, in pixels; the style sheet has the same. */
export const ROLE = { width: 190, height: 74 } as const;
/** The person, above everybody. */
export const USER = "user";

export interface Placed {
  name: string;
  x: number;
  y: number;
}

/** Who reports to whom, as `from` below `to`. Who reports to nobody reports to the person. */
export const linesOf = (roles: readonly ChartRole[]): { from: string; to: string }[] => roles.map(({ name, reportsTo }) => ({ from: name, to: reportsTo ?? USER }));

/** Lays the chart out, superiors on top. */
export async function layOut(roles: readonly ChartRole[]): Promise<Placed[]> {
  const known = new Set([USER, ...roles.map(({ name }) => name)]);
  const graph = await new ELK().layout({
    id: "chart",
    layoutOptions: { "elk.algorithm": "layered", "elk.direction": "DOWN", "elk.spacing.nodeNode": "36", "elk.layered.spacing.nodeNodeBetweenLayers": "44", "elk.layered.nodePlacement.bk.fixedAlignment": "BALANCED", "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES" },
    children: [...known].map((id) => ({ id, ...ROLE })),
    edges: linesOf(roles)
      .filter(({ to }) => known.has(to))
      .map(({ from, to }) => ({ id: `${from}>${to}`, sources: [to], targets: [from] })),
  });
  return (graph.children ?? []).map(({ id, x = 0, y = 0 }) => ({ name: id, x, y }));
}

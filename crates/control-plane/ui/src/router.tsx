// The addresses of the page. They stand behind the #: the server has one page.

import { type ErrorComponentProps, createHashHistory, createRootRoute, createRoute, createRouter, redirect, retainSearchParams } from "@tanstack/react-router";
import { Activity } from "./features/activity/activity";
import { columnsAsText, columnsOf } from "./features/agents/columns";
import { GROUPINGS, type Grouping, SORTS, type Sort } from "./features/agents/order";
import { AgentPage } from "./features/agent/agent-page";
import { VIEWS, type View } from "./features/agent/views";
import { Inbox } from "./features/inbox/inbox";
import { RunPage } from "./features/runs/run-page";
import { RunsPage } from "./features/runs/runs-page";
import { SearchPage } from "./features/search/search-page";
import { TerminalsPage } from "./features/terminals/terminals-page";
import { More } from "./features/shell/more";
import { Overview } from "./features/shell/overview";
import { Shell } from "./features/shell/shell";
import { RANGES, type Range } from "./features/usage/series";
import { UsagePage } from "./features/usage/usage-page";
import { Empty, Failed } from "./ui/states";

/** How the list of agents is shown, wherever one is. */
interface ListSearch {
  q?: string | undefined;
  by?: Grouping | undefined;
  sort?: Sort | undefined;
  ended?: true | undefined;
  /** Which figures rows have: [`columnsOf`]. */
  cols?: string | undefined;
}

function WentWrong({ error, reset }: ErrorComponentProps) {
  return <Failed error={error} retry={reset} reload />;
}

const root = createRootRoute({
  component: Shell,
  validateSearch: ({ q, by, sort, ended, cols }: Record<string, unknown>): ListSearch => ({
    ...(q !== undefined && q !== "" ? { q: String(q) } : {}),
    ...(by === undefined ? {} : { by: GROUPINGS.find((known) => known === by) }),
    ...(sort === undefined ? {} : { sort: SORTS.find((known) => known === sort) }),
    ...(ended === true ? { ended } : {}),
    ...(typeof cols === "string" ? { cols: columnsAsText(columnsOf(cols)) } : {}),
  }),
  search: { middlewares: [retainSearchParams<ListSearch>(["q", "by", "sort", "ended", "cols"])] },
  notFoundComponent: () => <Empty>There is nothing at this address.</Empty>,
  errorComponent: WentWrong,
});

const routes = [
  createRoute({ getParentRoute: () => root, path: "/", component: Overview }),
  createRoute({ getParentRoute: () => root, path: "/inbox", component: () => <div className="page"><Inbox /></div> }),
  createRoute({
    getParentRoute: () => root,
    path: "/agents/$id",
    validateSearch: ({ view, moment }: Record<string, unknown>): { view?: View | undefined; moment?: number | undefined } => ({
      view: VIEWS.find((known) => known === view),
      // Of the recording, in milliseconds since 1970; 0 is its beginning.
      ...(moment !== undefined && Number.isFinite(Number(moment)) ? { moment: Number(moment) } : {}),
    }),
    component: AgentPage,
  }),
  createRoute({ getParentRoute: () => root, path: "/runs", validateSearch: ({ start, add }: Record<string, unknown>): { start?: string | undefined; add?: true | undefined } => ({ ...(typeof start === "string" ? { start } : {}), ...(add === true ? { add } : {}) }), component: RunsPage }),
  createRoute({
    getParentRoute: () => root,
    path: "/runs/$id",
    validateSearch: ({ at }: Record<string, unknown>): { at?: number | undefined } => (Number.isSafeInteger(Number(at)) && Number(at) >= 0 && at !== undefined ? { at: Number(at) } : {}),
    component: RunPage,
  }),
  createRoute({ getParentRoute: () => root, path: "/activity", component: () => <div className="page"><h1>Activity</h1><Activity /></div> }),
  createRoute({ getParentRoute: () => root, path: "/usage", validateSearch: ({ range }: Record<string, unknown>): { range?: Range | undefined } => ({ range: RANGES.find((known) => known === range) }), component: UsagePage }),
  createRoute({
    getParentRoute: () => root,
    path: "/search",
    validateSearch: ({ s, kind }: Record<string, unknown>): { s?: string | undefined; kind?: "message" | "log" | undefined } => ({
      ...(s !== undefined && s !== "" ? { s: String(s) } : {}),
      ...(kind === "message" || kind === "log" ? { kind } : {}),
    }),
    component: SearchPage,
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/terminals",
    validateSearch: ({ ids }: Record<string, unknown>): { ids?: string | undefined } => (typeof ids === "string" ? { ids } : {}),
    component: TerminalsPage,
  }),
  createRoute({ getParentRoute: () => root, path: "/more", component: More }),
  // Addresses of the page before it had routes: the agent's id alone.
  createRoute({
    getParentRoute: () => root,
    path: "/$id",
    beforeLoad: ({ params: { id } }) => {
      throw redirect({ to: "/agents/$id", params: { id } });
    },
  }),
] as const;

export const router = createRouter({
  routeTree: root.addChildren(routes),
  history: createHashHistory(),
  // Of one view: the frame stays, and what else it leads to.
  defaultErrorComponent: WentWrong,
  scrollRestoration: false,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

// The frame of the page: head, list of agents, what is looked at; on a phone one of them at a time, and a bar at the bottom.

import { Link, Outlet, useParams, useRouterState, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useAgent } from "../../server-state/agents";
import { connectionSince, useConnection } from "../../server-state/connection";
import { lazyPart } from "../../ui/lazy-part";
import { useNarrow } from "../../ui/media";
import { Modal } from "../../ui/modal";
import { Toasts } from "../../ui/toasts";
import { AgentList } from "../agents/agent-list";
import { BulkDialog } from "../agents/bulk-dialog";
import { useNoStrayDrops } from "../attachments/drop";
import { useNotifications } from "../inbox/notify";
import { useTitle } from "../inbox/title";
import { useWaiting } from "../inbox/waiting";
import { RuntimePills } from "../runtimes/runtimes";
import { SignIn } from "../session/sign-in";
import { SpawnDialog } from "../spawn/spawn-dialog";

const Palette = lazyPart(async () => (await import("../palette/palette")).Palette, {
  loading: () => null,
  failed: ({ open, onOpenChange }, why) => (
    <Modal open={open} onOpenChange={onOpenChange} title="Commands">
      {why}
    </Modal>
  ),
});

export function Shell() {
  const [spawning, setSpawning] = useState(false);
  const [preset, setPreset] = useState<string>();
  const [several, setSeveral] = useState(false);
  const [commanding, setCommanding] = useState(false);
  const filter = useSearch({ from: "__root__" }).q ?? "";
  const spawn = (from?: string): void => {
    setPreset(from);
    setSpawning(true);
  };
  const path = useRouterState({ select: ({ location }) => location.pathname });
  const all = useWaiting();
  const waiting = all.length;
  useNotifications(all);
  useNoStrayDrops();
  // On a phone the first page is the list of agents alone.
  const isList = useNarrow() && path === "/";
  const { id } = useParams({ strict: false });
  useTitle(useAgent(path.startsWith("/agents/") ? (id ?? "") : "").agent?.name, waiting);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
      // In a terminal Ctrl+K is the agent's.
      if (event.ctrlKey && (event.target as Element | null)?.closest(".xterm")) return;
      event.preventDefault();
      setCommanding(true);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  return (
    <div className="app" data-pane={path === "/" ? "list" : "main"} data-connection={useConnection()}>
      <button type="button" className="skip" onClick={() => document.querySelector<HTMLElement>("#main")?.focus()}>
        Skip to the content
      </button>
      <header className="top">
        <Link to="/" className="brand">
          Parallax
        </Link>
        <nav className="top-links" aria-label="Pages">
          <Link to="/inbox">
            Inbox {waiting > 0 && <span className="needs">{waiting}</span>}
          </Link>
          <Link to="/runs">Runs</Link>
          <Link to="/terminals">Terminals</Link>
          <Link to="/activity">Activity</Link>
          <Link to="/usage">Usage</Link>
          <Link to="/search">Search</Link>
          <Link to="/more">Settings</Link>
        </nav>
        <RuntimePills />
        <button type="button" className="palette-button" onClick={() => setCommanding(true)}>
          Commands <kbd>Ctrl K</kbd>
        </button>
        <ConnectionState />
      </header>
      <div className="columns" role={isList ? "main" : undefined}>
        <AgentList onSpawn={() => spawn()} onBulk={() => setSeveral(true)} isPage={isList} />
        <main id="main" tabIndex={-1} hidden={isList}>
          <Outlet />
        </main>
      </div>
      <BottomBar waiting={waiting} path={path} agentId={id} />
      <SpawnDialog open={spawning} onOpenChange={setSpawning} preset={preset} />
      <BulkDialog open={several} onOpenChange={setSeveral} filter={filter} />
      {commanding && <Palette open onOpenChange={setCommanding} onSpawn={spawn} onBulk={() => setSeveral(true)} />}
      <SignIn />
      <Toasts />
    </div>
  );
}

function ConnectionState() {
  const connection = useConnection();
  return (
    <span role="status" className={`connection ${connection}`}>
      {connection === "connecting" ? "connecting …" : connection === "live" ? "live" : `not connected since ${connectionSince().toLocaleTimeString()}: what is shown is from before`}
    </span>
  );
}

/** The agent that was looked at last: the terminal of the bar is its terminal. */
let lastAgent: string | undefined;

function BottomBar({ waiting, path, agentId }: { waiting: number; path: string; agentId: string | undefined }) {
  const isTerminal = useRouterState({ select: ({ location }) => (location.search as { view?: string }).view === "terminal" });
  if (path.startsWith("/agents/") && agentId) lastAgent = agentId;
  const current = path === "/inbox" ? "inbox" : path.startsWith("/agents/") ? (isTerminal ? "terminal" : "agents") : path === "/" ? "agents" : "more";
  const mark = (name: string) => (current === name ? { "aria-current": "page" as const } : {});
  return (
    <nav className="bottom-bar" aria-label="Panes">
      <Link to="/inbox" {...mark("inbox")}>
        Inbox {waiting > 0 && <span className="needs">{waiting}</span>}
      </Link>
      <Link to="/" {...mark("agents")}>
        Agents
      </Link>
      {lastAgent ? (
        <Link to="/agents/$id" params={{ id: lastAgent }} search={{ view: "terminal" }} {...mark("terminal")}>
          Terminal
        </Link>
      ) : (
        <span aria-disabled="true">Terminal</span>
      )}
      <Link to="/more" {...mark("more")}>
        More
      </Link>
    </nav>
  );
}

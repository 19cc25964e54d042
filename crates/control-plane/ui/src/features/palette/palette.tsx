// The command palette: everything by a few letters.

import { useNavigate, useParams } from "@tanstack/react-router";
import { Command } from "cmdk";
import { useState } from "react";
import { interrupt } from "../../api/agents";
import { signOut, token } from "../../api/token";
import type { Agent } from "../../api/types";
import { knownAgents, putAgents, useAgents } from "../../server-state/agents";
import { usePresets } from "../../server-state/presets";
import { usePatterns, useRuns } from "../../server-state/runs";
import { attempt, toast } from "../../ui/toasts";
import { VIEWS, type View } from "../agent/views";
import { GROUPINGS, SORTS, SORT_WORDS } from "../agents/order";
import { statusText } from "../agents/status";
import { canNotify, setNotifies, useNotifies } from "../inbox/notify";
import { useMayOperate } from "../session/scope";
import { THEMES, setTheme } from "../theme/theme";
import { useHeld } from "./held";
import { Pressable, type Then } from "./pressable";

const PAGES = [
  ["/", "Overview"],
  ["/inbox", "Inbox"],
  ["/runs", "Patterns and runs"],
  ["/terminals", "Terminals"],
  ["/activity", "Activity"],
  ["/usage", "Usage: tokens, cost, CPU, memory"],
  ["/search", "Search"],
  ["/more", "Settings, runtimes, devices"],
] as const;

/** Runs that are offered. */
const MAX_RUNS = 20;

interface Does {
  onSpawn: (preset?: string) => void;
  onBulk: () => void;
}

export function Palette({ open, onOpenChange, ...does }: { open: boolean; onOpenChange: (open: boolean) => void } & Does) {
  const [text, setText] = useState("");
  const then = (action: () => unknown) => () => {
    onOpenChange(false);
    void action();
  };
  return (
    <Command.Dialog open={open} onOpenChange={onOpenChange} label="Commands" overlayClassName="overlay" contentClassName="palette">
      <Command.Input placeholder="Go to an agent, do something …" value={text} onValueChange={setText} />
      <Command.List>
        <Command.Empty>Nothing is called so.</Command.Empty>
        <Pages then={then} />
        <CurrentAgent then={then} />
        <Deeds then={then} {...does} />
        <Agents then={then} />
        <Runs then={then} />
        <Found text={text} then={then} />
      </Command.List>
    </Command.Dialog>
  );
}

function Pages({ then }: { then: Then }) {
  const navigate = useNavigate();
  return (
    <Command.Group heading="Go to">
      {PAGES.map(([to, name]) => (
        <Command.Item key={to} onSelect={then(() => navigate({ to }))}>
          {name}
        </Command.Item>
      ))}
      <Command.Item onSelect={then(async () => (await navigate({ to: "/inbox" }), focusOldest()))}>Answer who waits longest</Command.Item>
    </Command.Group>
  );
}

/** The first question has the focus: its digits answer it. */
const focusOldest = (): unknown => requestAnimationFrame(() => document.querySelector<HTMLElement>("main .attention[tabindex]")?.focus());

const VIEW_WORDS: Record<View, string> = { terminal: "its terminal", conversation: "its conversation", changes: "its changes", activity: "its activity", usage: "what it uses", details: "its details" };

/** What can be done with the agent that is looked at. */
function CurrentAgent({ then }: { then: Then }) {
  const navigate = useNavigate();
  const { id } = useParams({ strict: false });
  const agent = useAgents().data?.get(id ?? "");
  if (!agent)
    return (
      <Command.Group heading="Here">
        <Pressable then={then} />
      </Command.Group>
    );
  const show = (search: { view?: View; moment?: number }): unknown => navigate({ to: "/agents/$id", params: { id: agent.id }, search });
  return (
    <Command.Group heading={agent.name}>
      {VIEWS.filter((view) => view !== "changes" || agent.workspace).map((view) => (
        <Command.Item key={view} value={`show ${VIEW_WORDS[view]} ${agent.name}`} onSelect={then(() => show({ view }))}>
          Show {VIEW_WORDS[view]}
        </Command.Item>
      ))}
      <Command.Item value={`show its recording ${agent.name}`} onSelect={then(() => show({ view: "terminal", moment: 0 }))}>
        Show its recording
      </Command.Item>
      <Pressable then={then} />
    </Command.Group>
  );
}

function Deeds({ then, onSpawn, onBulk }: { then: Then } & Does) {
  const navigate = useNavigate();
  const mayOperate = useMayOperate();
  const notifies = useNotifies();
  const presets = useHeld(usePresets().data) ?? [];
  const patterns = useHeld(usePatterns().data) ?? [];
  return (
    <Command.Group heading="Do">
      {mayOperate && (
        <>
          <Command.Item onSelect={then(() => onSpawn())}>Spawn an agent</Command.Item>
          {presets.map(({ name }) => (
            <Command.Item key={name} onSelect={then(() => onSpawn(name))}>
              Spawn from preset: {name}
            </Command.Item>
          ))}
          <Command.Item onSelect={then(onBulk)}>Stop, interrupt or message several agents</Command.Item>
          <Command.Item onSelect={then(() => navigate({ to: "/runs", search: { add: true } }))}>Add a pattern</Command.Item>
          {patterns.map(({ name }) => (
            <Command.Item key={name} onSelect={then(() => navigate({ to: "/runs", search: { start: name } }))}>
              Run pattern: {name}
            </Command.Item>
          ))}
        </>
      )}
      {GROUPINGS.map((by) => (
        <Command.Item key={by} onSelect={then(() => navigate({ to: ".", search: (search) => ({ ...search, by: by === "none" ? undefined : by }), replace: true }))}>
          {by === "none" ? "List without groups" : `Group the list by ${by}`}
        </Command.Item>
      ))}
      {SORTS.map((sort) => (
        <Command.Item key={sort} onSelect={then(() => navigate({ to: ".", search: (search) => ({ ...search, sort: sort === "newest" ? undefined : sort }), replace: true }))}>
          Sort the list: {SORT_WORDS[sort]}
        </Command.Item>
      ))}
      <Command.Item onSelect={then(() => navigate({ to: ".", search: (search) => ({ ...search, ended: search.ended ? undefined : (true as const) }), replace: true }))}>Show or fold agents that ended</Command.Item>
      {THEMES.map((theme) => (
        <Command.Item key={theme} onSelect={then(() => setTheme(theme))}>
          Theme: {theme}
        </Command.Item>
      ))}
      {canNotify && <Command.Item onSelect={then(() => setNotifies(!notifies))}>{notifies ? "Do not notify me in this browser" : "Notify me in this browser"}</Command.Item>}
      {token() !== undefined && (
        <Command.Item onSelect={then(signOut)}>Sign out</Command.Item>
      )}
    </Command.Group>
  );
}

/** An agent whose turn ended meanwhile keeps its row, and another is not interrupted in its place. */
const isAtWork = (agent: Agent | undefined): boolean => agent?.status === "busy" && !agent.stale;

function Agents({ then }: { then: Then }) {
  const navigate = useNavigate();
  const mayOperate = useMayOperate();
  const known = useAgents().data;
  const held = [...(useHeld(known)?.values() ?? [])];
  const interruptIt = async ({ id, name }: Agent): Promise<void> => {
    if (!isAtWork(knownAgents().get(id))) return toast(`${name} is not at work any more.`);
    await attempt(async () => putAgents([await interrupt(id)]));
  };
  return (
    <>
      <Command.Group heading="Agents">
        {held.map((agent) => (
          <Command.Item
            key={agent.id}
            value={`${agent.name} ${agent.id}`}
            keywords={[agent.type, agent.role ?? "", agent.status]}
            onSelect={then(() => navigate({ to: "/agents/$id", params: { id: agent.id } }))}
          >
            {agent.name} <span className="muted">{`${agent.type} · ${statusText(known?.get(agent.id) ?? agent)}`}</span>
          </Command.Item>
        ))}
      </Command.Group>
      <Command.Group heading="Interrupt">
        {(mayOperate ? held : []).filter(isAtWork).map((agent) => (
          <Command.Item key={agent.id} value={`interrupt ${agent.name} ${agent.id}`} disabled={!isAtWork(known?.get(agent.id))} onSelect={then(() => interruptIt(agent))}>
            Interrupt {agent.name}
          </Command.Item>
        ))}
      </Command.Group>
    </>
  );
}

function Runs({ then }: { then: Then }) {
  const navigate = useNavigate();
  const runs = useHeld(useRuns().data) ?? [];
  return (
    <Command.Group heading="Runs">
      {runs.slice(0, MAX_RUNS).map(({ id, pattern, status, createdAt }) => (
        <Command.Item key={id} value={`run ${pattern} ${id}`} keywords={[status]} onSelect={then(() => navigate({ to: "/runs/$id", params: { id } }))}>
          {pattern} <span className="muted">{`${status} · ${new Date(createdAt).toLocaleString()}`}</span>
        </Command.Item>
      ))}
    </Command.Group>
  );
}

/** What was typed, looked for in what agents said. */
function Found({ text, then }: { text: string; then: Then }) {
  const navigate = useNavigate();
  if (!/[\p{L}\p{N}]/u.test(text)) return null;
  return (
    <Command.Group heading="Search" forceMount>
      <Command.Item forceMount value={`search ${text}`} onSelect={then(() => navigate({ to: "/search", search: { s: text } }))}>
        Search messages and logs for “{text}”
      </Command.Item>
    </Command.Group>
  );
}

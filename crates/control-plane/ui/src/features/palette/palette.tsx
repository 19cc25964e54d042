// The command palette: everything by a few letters.

import { useNavigate, useParams } from "@tanstack/react-router";
import { Command } from "cmdk";
import { useState } from "react";
import { interrupt } from "../../api/agents";
import { keepToken, token } from "../../api/token";
import type { Agent } from "../../api/types";
import { putAgents, useAgents } from "../../server-state/agents";
import { usePresets } from "../../server-state/presets";
import { usePatterns, useRuns } from "../../server-state/runs";
import { attempt } from "../../ui/toasts";
import { VIEWS, type View } from "../agent/views";
import { GROUPINGS } from "../agents/order";
import { statusText } from "../agents/status";
import { canNotify, setNotifies, useNotifies } from "../inbox/notify";
import { useMayOperate } from "../session/scope";
import { THEMES, setTheme } from "../theme/theme";

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

type Then = (action: () => unknown) => () => void;

function Pages({ then }: { then: Then }) {
  const navigate = useNavigate();
  return (
    <Command.Group heading="Go to">
      {PAGES.map(([to, name]) => (
        <Command.Item key={to} onSelect={then(() => navigate({ to }))}>
          {name}
        </Command.Item>
      ))}
    </Command.Group>
  );
}

const VIEW_WORDS: Record<View, string> = { terminal: "its terminal", conversation: "its conversation", changes: "its changes", activity: "its activity", usage: "what it uses", details: "its details" };

/** What can be done with the agent that is looked at. Restart and stop ask first, where they stand. */
function CurrentAgent({ then }: { then: Then }) {
  const navigate = useNavigate();
  const mayOperate = useMayOperate();
  const { id } = useParams({ strict: false });
  const agent = useAgents().data?.get(id ?? "");
  if (!agent) return null;
  const press = (label: string) => () => [...document.querySelectorAll<HTMLButtonElement>(".detail .actions button")].find(({ textContent }) => textContent === label)?.click();
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
      {mayOperate && agent.status !== "stopped" && (
        <>
          <Command.Item onSelect={then(press("Restart"))}>Restart {agent.name} …</Command.Item>
          <Command.Item onSelect={then(press("Stop"))}>Stop {agent.name} …</Command.Item>
        </>
      )}
    </Command.Group>
  );
}

function Deeds({ then, onSpawn, onBulk }: { then: Then } & Does) {
  const navigate = useNavigate();
  const mayOperate = useMayOperate();
  const notifies = useNotifies();
  const { data: presets = [] } = usePresets();
  const { data: patterns = [] } = usePatterns();
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
      {THEMES.map((theme) => (
        <Command.Item key={theme} onSelect={then(() => setTheme(theme))}>
          Theme: {theme}
        </Command.Item>
      ))}
      {canNotify && <Command.Item onSelect={then(() => setNotifies(!notifies))}>{notifies ? "Do not notify me in this browser" : "Notify me in this browser"}</Command.Item>}
      {token() !== undefined && (
        <Command.Item
          onSelect={then(() => {
            keepToken(undefined);
            location.reload();
          })}
        >
          Sign out
        </Command.Item>
      )}
    </Command.Group>
  );
}

function Agents({ then }: { then: Then }) {
  const navigate = useNavigate();
  const mayOperate = useMayOperate();
  const agents = [...(useAgents().data?.values() ?? [])];
  const isAtWork = ({ status, stale }: Agent): boolean => mayOperate && status === "busy" && !stale;
  return (
    <>
      <Command.Group heading="Agents">
        {agents.map((agent) => (
          <Command.Item
            key={agent.id}
            value={`${agent.name} ${agent.id}`}
            keywords={[agent.type, agent.role ?? "", agent.status]}
            onSelect={then(() => navigate({ to: "/agents/$id", params: { id: agent.id } }))}
          >
            {agent.name} <span className="muted">{`${agent.type} · ${statusText(agent)}`}</span>
          </Command.Item>
        ))}
      </Command.Group>
      <Command.Group heading="Interrupt">
        {agents.filter(isAtWork).map((agent) => (
          <Command.Item
            key={agent.id}
            value={`interrupt ${agent.name} ${agent.id}`}
            onSelect={then(() => attempt(async () => putAgents([await interrupt(agent.id)])))}
          >
            Interrupt {agent.name}
          </Command.Item>
        ))}
      </Command.Group>
    </>
  );
}

function Runs({ then }: { then: Then }) {
  const navigate = useNavigate();
  const { data: runs = [] } = useRuns();
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

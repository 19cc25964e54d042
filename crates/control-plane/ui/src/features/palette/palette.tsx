// The command palette: everything by a few letters.

import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import { interrupt } from "../../api/agents";
import { putAgents, useAgents } from "../../server-state/agents";
import { attempt } from "../../ui/toasts";
import { statusText } from "../agents/status";
import { useMayOperate } from "../session/scope";
import { THEMES, setTheme } from "../theme/theme";

export function Palette({ open, onOpenChange, onSpawn }: { open: boolean; onOpenChange: (open: boolean) => void; onSpawn: () => void }) {
  const navigate = useNavigate();
  const mayOperate = useMayOperate();
  const agents = [...(useAgents().data?.values() ?? [])];
  const does = (action: () => unknown) => () => {
    onOpenChange(false);
    void action();
  };
  return (
    <Command.Dialog open={open} onOpenChange={onOpenChange} label="Commands" overlayClassName="overlay" contentClassName="palette">
      <Command.Input placeholder="Go to an agent, do something …" />
      <Command.List>
        <Command.Empty>Nothing is called so.</Command.Empty>
        <Command.Group heading="Go to">
          <Command.Item onSelect={does(() => navigate({ to: "/" }))}>Overview</Command.Item>
          <Command.Item onSelect={does(() => navigate({ to: "/inbox" }))}>Inbox</Command.Item>
          <Command.Item onSelect={does(() => navigate({ to: "/runs" }))}>Patterns and runs</Command.Item>
          <Command.Item onSelect={does(() => navigate({ to: "/activity" }))}>Activity</Command.Item>
          <Command.Item onSelect={does(() => navigate({ to: "/more" }))}>Runtimes and settings</Command.Item>
        </Command.Group>
        <Command.Group heading="Do">
          {mayOperate && <Command.Item onSelect={does(onSpawn)}>Spawn an agent</Command.Item>}
          {THEMES.map((theme) => (
            <Command.Item key={theme} onSelect={does(() => setTheme(theme))}>
              Theme: {theme}
            </Command.Item>
          ))}
        </Command.Group>
        <Command.Group heading="Agents">
          {agents.map((agent) => (
            <Command.Item
              key={agent.id}
              value={`${agent.name} ${agent.id}`}
              keywords={[agent.type, agent.role ?? "", agent.status]}
              onSelect={does(() => navigate({ to: "/agents/$id", params: { id: agent.id } }))}
            >
              {agent.name} <span className="muted">{`${agent.type} · ${statusText(agent)}`}</span>
            </Command.Item>
          ))}
        </Command.Group>
        <Command.Group heading="Interrupt">
          {agents
            .filter(({ status, stale }) => mayOperate && status === "busy" && !stale)
            .map((agent) => (
              <Command.Item
                key={agent.id}
                value={`interrupt ${agent.name} ${agent.id}`}
                onSelect={does(() => attempt(async () => putAgents([await interrupt(agent.id)])))}
              >
                Interrupt {agent.name}
              </Command.Item>
            ))}
        </Command.Group>
      </Command.List>
    </Command.Dialog>
  );
}

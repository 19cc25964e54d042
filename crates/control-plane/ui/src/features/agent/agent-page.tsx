// One agent: its header, what it needs, its terminal, its conversation, what happened and what is known of it.

import * as Tabs from "@radix-ui/react-tabs";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { getAgent } from "../../api/agents";
import type { Agent } from "../../api/types";
import { putAgents, useAgent } from "../../server-state/agents";
import { useIsOld } from "../../server-state/connection";
import { lazyPart } from "../../ui/lazy-part";
import { useNarrow } from "../../ui/media";
import { Empty, Failed, Loading } from "../../ui/states";
import { Activity } from "../activity/activity";
import { statusText } from "../agents/status";
import { AttentionCard } from "../attention/attention-card";
import { Changes } from "../changes/changes";
import { Conversation } from "../conversation/conversation";
import { Ports } from "../ports/ports";
import { AgentUsage } from "../usage/agent-usage";
import { Actions } from "./actions";
import { Facts } from "./facts";
import { VIEWS, type View } from "./views";

// xterm.js is larger than the rest of the page.
const loading = () => <Loading what="the terminal" />;
const TerminalPane = lazyPart(async () => (await import("../terminal/terminal-pane")).TerminalPane, { loading });
const Player = lazyPart(async () => (await import("../recording/player")).Player, { loading });

const TITLES: Record<View, string> = { terminal: "Terminal", conversation: "Conversation", changes: "Changes", activity: "Activity", usage: "Usage", details: "Details" };

export function AgentPage() {
  const { id } = useParams({ from: "/agents/$id" });
  const { agent, isPending, error, refetch } = useAgent(id);
  useEffect(() => {
    // What is known may be from before the page's stream began.
    getAgent(id).then(
      (agent) => agent.id === id && putAgents([agent]),
      () => undefined,
    );
  }, [id]);
  if (agent) return <AgentView key={id} agent={agent} />;
  return (
    <div className="page">
      <h1>Agent</h1>
      {error ? (
        <Failed error={error} retry={refetch} />
      ) : isPending ? (
        <Loading what="the agent" />
      ) : (
        <Empty>No agent has this id. It may have been forgotten: agents that ended are kept for a while.</Empty>
      )}
    </div>
  );
}

function AgentView({ agent }: { agent: Agent }) {
  const narrow = useNarrow();
  const { view, moment } = useSearch({ from: "/agents/$id" });
  const navigate = useNavigate();
  const show = (next: string): void => {
    const chosen = VIEWS.find((known) => known === next);
    void navigate({ to: ".", search: (search) => ({ ...search, view: chosen }), replace: true });
  };
  const showMoment = (next: number | undefined): void => void navigate({ to: ".", search: (search) => ({ ...search, moment: next }), replace: next === undefined });
  const aside = view === undefined || view === "terminal" || (view === "changes" && !agent.workspace) ? "conversation" : view;
  const current = narrow ? (view ?? "conversation") : aside;
  // Where not all tabs fit, the one that is shown is in view.
  const tabs = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // In some browsers it gives something, which is not to be called.
    tabs.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [current]);
  const terminal =
    moment === undefined ? (
      <TerminalPane agent={agent} showRecording={() => showMoment(0)} />
    ) : (
      <Player agent={agent} moment={moment} close={() => showMoment(undefined)} />
    );
  return (
    <article className="detail" aria-label={agent.name}>
      <AgentHeader agent={agent} />
      {agent.attention && agent.status !== "stopped" && current !== "terminal" && <AttentionCard agent={agent} attention={agent.attention} />}
      {agent.attention && agent.status !== "stopped" && narrow && current === "terminal" && (
        <p className="needs-note">
          It needs you: <button type="button" className="link" onClick={() => show("conversation")}>show the question</button>
        </p>
      )}
      <div className="panes">
        {!narrow && <section className="terminal-pane" aria-label="Terminal">{terminal}</section>}
        <Tabs.Root className="tabs" value={current} onValueChange={show}>
          <Tabs.List ref={tabs} className="tab-bar" aria-label="Views of the agent">
            {VIEWS.filter((known) => (narrow || known !== "terminal") && (known !== "changes" || agent.workspace)).map((known) => (
              <Tabs.Trigger key={known} value={known}>
                {TITLES[known]}
              </Tabs.Trigger>
            ))}
          </Tabs.List>
          {narrow && (
            <Tabs.Content value="terminal" className="tab-panel is-terminal" tabIndex={-1}>
              {terminal}
            </Tabs.Content>
          )}
          <Tabs.Content value="conversation" className="tab-panel is-conversation" tabIndex={-1}>
            <Conversation agent={agent} />
          </Tabs.Content>
          {agent.workspace && (
            <Tabs.Content value="changes" className="tab-panel">
              <Changes agent={agent} />
            </Tabs.Content>
          )}
          <Tabs.Content value="activity" className="tab-panel">
            <Activity agentId={agent.id} />
          </Tabs.Content>
          <Tabs.Content value="usage" className="tab-panel">
            <AgentUsage agent={agent} />
          </Tabs.Content>
          <Tabs.Content value="details" className="tab-panel">
            <Facts agent={agent} />
            <Ports agent={agent} />
          </Tabs.Content>
        </Tabs.Root>
      </div>
    </article>
  );
}

function AgentHeader({ agent }: { agent: Agent }) {
  const { error, exit } = agent;
  const isOld = useIsOld();
  return (
    <>
      <header className="detail-head">
        <div className="detail-title">
          <div className="title-row">
            <h1>{agent.name}</h1>
            <span role="status" className={`badge ${agent.stale || isOld ? "stale" : agent.status}`}>
              {isOld ? `last known: ${statusText(agent)}` : statusText(agent)}
            </span>
          </div>
          <p className="subtitle">{[agent.type, agent.model, agent.role, agent.runtime, agent.workdir].filter(Boolean).join(" · ")}</p>
        </div>
        <Actions agent={agent} />
      </header>
      {error && <p className="trouble failed">{`${error.code}: ${error.message}`}</p>}
      {exit && (
        <p className={`trouble ${["stopped", "suspended"].includes(exit.reason) ? "" : "failed"}`}>
          {exit.reason === "suspended" ? "Suspended: it is kept, and can be resumed" : `Ended: ${exit.reason}`}
          {exit.signal ? `, signal ${exit.signal}` : exit.code != null ? `, exit code ${exit.code}` : ""}
        </p>
      )}
    </>
  );
}

// Who listens on ports of an agent, with links to what it serves.

import { useQuery } from "@tanstack/react-query";
import { type MouseEvent } from "react";
import { pageUrl } from "../../api/client";
import { getPorts, portPath } from "../../api/ports";
import { token } from "../../api/token";
import type { Agent, PortListener } from "../../api/types";
import { keys } from "../../server-state/store";
import { attempt } from "../../ui/toasts";
import { useMayOperate, useProxiesPorts } from "../session/scope";

/** How often it is asked for while it is looked at, in milliseconds: a server that starts is no event. */
const ASK_MS = 3000;

export function Ports({ agent }: { agent: Agent }) {
  const lives = agent.status !== "stopped" && agent.status !== "starting" && !agent.stale;
  const { data } = useQuery({ queryKey: keys.ports(agent.id), queryFn: () => getPorts(agent.id), enabled: lives, staleTime: 0, retry: false, refetchInterval: ASK_MS });
  const opens = useOpens();
  if (!lives || !data) return null;
  // One that listens on several addresses is one server.
  const listeners = data.listeners.filter(({ port }, index) => data.listeners.findIndex((other) => other.port === port) === index);
  if (listeners.length === 0 && !data.range) return null;
  return (
    <section className="ports" aria-label="Ports">
      <h2>Ports</h2>
      {data.range && (
        <p className="muted">
          Its own: {data.range.first === data.range.last ? data.range.first : `${data.range.first} to ${data.range.last}`}.
        </p>
      )}
      {listeners.length === 0 ? (
        <p className="hint">Nothing listens.</p>
      ) : (
        <ul className="files">
          {listeners.map((listener) => (
            <li key={listener.port} className="port">
              <Port agentId={agent.id} listener={listener} opens={opens} />
            </li>
          ))}
        </ul>
      )}
      {opens === "off" && <p className="hint">This server does not show what agents serve: it was not started with --proxy-ports.</p>}
    </section>
  );
}

/** Whether links are offered: not where the server shows nothing, nor to who may only look. */
function useOpens(): "on" | "off" | "no" {
  const mayOperate = useMayOperate();
  const proxies = useProxiesPorts();
  return !mayOperate ? "no" : proxies ? "on" : "off";
}

function Port({ agentId, listener, opens }: { agentId: string; listener: PortListener; opens: "on" | "off" | "no" }) {
  const { port, process, own } = listener;
  const path = portPath(agentId, port);
  return (
    <>
      {own && opens === "on" ? (
        <a href={path} target="_blank" rel="noopener noreferrer" onClick={(event) => openWithTicket(event, path)}>
          {port}
        </a>
      ) : (
        <span>{port}</span>
      )}
      <span className="muted">{own ? process : "somebody else, or a process that cannot be looked into"}</span>
    </>
  );
}

/** Where there is a token, a link would not show it: the new tab gets a ticket, and no way back to this page, since what it shows is a stranger's. */
function openWithTicket(event: MouseEvent, path: string): void {
  if (!token()) return;
  event.preventDefault();
  // Now, as long as the browser knows that a person pressed it.
  const tab = window.open("about:blank", "_blank");
  if (tab) tab.opener = null;
  void attempt(async () => {
    try {
      const url = await pageUrl(path);
      if (tab) tab.location.replace(url);
    } catch (error) {
      tab?.close();
      throw error;
    }
  });
}

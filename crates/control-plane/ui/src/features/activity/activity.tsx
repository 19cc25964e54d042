// What happened, newest first: what the server keeps, and what comes.

import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";
import { type AgentEvent, agentIdOf } from "../../api/types";
import { joined, useActivity, useHistory } from "../../server-state/activity";
import { knownAgents } from "../../server-state/agents";
import { Empty, Failed, Loading } from "../../ui/states";
import { Clock } from "../../ui/time";

/** So many events of the past are read unasked. */
const UNASKED = 2000;

/** Of one agent, or of all. */
export function Activity({ agentId }: { agentId?: string }) {
  const [kind, setKind] = useState("");
  const [text, setText] = useState("");
  const [only, setOnly] = useState("");
  const { data: live } = useActivity();
  const [limit, setLimit] = useState(UNASKED);
  const { data: history, isLoading, error, refetch } = useHistory(agentId, limit);
  const all = useMemo(() => {
    const own = agentId === undefined ? live : live.filter((event) => agentIdOf(event) === agentId);
    return joined(history?.events ?? [], own).reverse();
  }, [history, live, agentId]);
  const kinds = useMemo(() => [...new Set(all.map(({ event }) => event))].sort(), [all]);
  const names = useMemo(() => (agentId === undefined ? namesOf(all) : []), [all, agentId]);
  const shown = useMemo(() => {
    const words = text.trim().toLowerCase();
    return all.filter((event) => (kind === "" || event.event === kind) && (only === "" || agentIdOf(event) === only) && (words === "" || wordsOf(event).toLowerCase().includes(words)));
  }, [all, kind, only, text]);
  return (
    <div className="activity">
      <div className="activity-head">
        <select aria-label="Kind of event" value={kind} onChange={(event) => setKind(event.target.value)}>
          <option value="">all events</option>
          {kinds.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        {names.length > 1 && (
          <select aria-label="Agent" value={only} onChange={(event) => setOnly(event.target.value)}>
            <option value="">all agents</option>
            {names.map(([id, name]) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        )}
        <input type="search" placeholder="Filter" aria-label="Filter events by text" value={text} onChange={(event) => setText(event.target.value)} />
        <span className="count">{shown.length}</span>
        {history?.isTooMuch && (
          <button type="button" onClick={() => setLimit(Infinity)}>
            Show what was before
          </button>
        )}
      </div>
      {error && <Failed error={error} retry={refetch} />}
      {isLoading ? <Loading what="events" /> : shown.length === 0 ? <Empty>Nothing has happened{history?.isTooMuch ? " since this page was opened" : ""}.</Empty> : <Events events={shown} withAgent={agentId === undefined} />}
    </div>
  );
}

function Events({ events, withAgent }: { events: AgentEvent[]; withAgent: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: events.length,
    getScrollElement: () => box.current,
    estimateSize: () => 34,
    getItemKey: (index) => events[index]?.id ?? index,
    overscan: 10,
  });
  return (
    <div className="events" ref={box} tabIndex={0} role="list" aria-label="Events">
      <div role="presentation" style={{ height: virtual.getTotalSize(), position: "relative" }}>
        {virtual.getVirtualItems().map(({ index, key, start }) => {
          const event = events[index];
          return event ? (
            <div key={key} data-index={index} ref={virtual.measureElement} role="listitem" className="event-slot" style={{ transform: `translateY(${start}px)` }}>
              <Line event={event} withAgent={withAgent} />
            </div>
          ) : null;
        })}
      </div>
    </div>
  );
}

export function Line({ event, withAgent }: { event: AgentEvent; withAgent: boolean }) {
  const id = agentIdOf(event);
  const { data } = event;
  const text = wordsOf(event);
  return (
    <div className="event">
      <Clock time={event.timestamp} />
      <span className={`event-name is-${event.event}`}>{event.event}</span>
      {withAgent && id !== undefined && (
        <Link to="/agents/$id" params={{ id }}>
          {knownAgents().get(id)?.name ?? data.agent?.name ?? id}
        </Link>
      )}
      {id !== undefined && (
        <Link className="event-moment" to="/agents/$id" params={{ id }} search={{ view: "terminal", moment: Date.parse(event.timestamp) }} aria-label="This moment in the recording" title="This moment in the recording">
          ▶
        </Link>
      )}
      {text !== "" && <span className="event-text">{text.length > 400 ? `${text.slice(0, 400)} …` : text}</span>}
    </div>
  );
}

/** What an event says. */
const wordsOf = ({ data }: AgentEvent): string => data.message?.content ?? data.question ?? data.loginUrl ?? data.agent?.error?.message ?? data.reason ?? "";

/** The agents that something happened to, by name. */
function namesOf(events: readonly AgentEvent[]): [id: string, name: string][] {
  const names = new Map<string, string>();
  for (const event of events) {
    const id = agentIdOf(event);
    if (id !== undefined && !names.has(id)) names.set(id, knownAgents().get(id)?.name ?? event.data.agent?.name ?? id);
  }
  return [...names].sort(([, a], [, b]) => a.localeCompare(b));
}

// What happened in a run, one line an event; a line leads to its moment.

import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef } from "react";
import type { RunEvent } from "../../api/types";
import { Empty } from "../../ui/states";
import { Clock } from "../../ui/time";
import { stepNames, wordsOfEvent } from "./moment";

const ROW = 30;

export function RunEvents({ events, position, go }: { events: readonly RunEvent[]; position: number; go: (position: number) => void }) {
  const box = useRef<HTMLOListElement>(null);
  const names = useMemo(() => stepNames(events), [events]);
  const virtual = useVirtualizer({ count: events.length, getScrollElement: () => box.current, estimateSize: () => ROW, overscan: 8 });
  useEffect(() => {
    if (position > 0) virtual.scrollToIndex(position - 1);
  }, [virtual, position]);
  if (events.length === 0) return <Empty>Nothing yet.</Empty>;
  return (
    <ol className="run-events" ref={box} tabIndex={0} aria-label="Events of the run">
      <li role="presentation" style={{ height: virtual.getTotalSize() }} aria-hidden="true" />
      {virtual.getVirtualItems().map(({ index, start }) => {
        const event = events[index];
        return event ? (
          <li key={event.id} style={{ transform: `translateY(${start}px)` }} className="run-event-slot">
            <button type="button" className={`run-event ${index >= position ? "is-later" : ""}`} aria-current={index === position - 1 ? "step" : undefined} onClick={() => go(index + 1)} title={wordsOfEvent(event, names)}>
              <Clock time={event.timestamp} /> <span>{wordsOfEvent(event, names)}</span>
            </button>
          </li>
        ) : null;
      })}
    </ol>
  );
}

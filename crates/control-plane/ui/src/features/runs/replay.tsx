// Moves through a run, event by event.

import { useEffect, useState } from "react";
import type { RunEvent } from "../../api/types";
import { Clock } from "../../ui/time";
import { wordsOfEvent } from "./moment";

/** How long a moment stays while it plays, in milliseconds. */
const MOMENT_MS = 600;

export function Replay(props: { events: readonly RunEvent[]; position: number | undefined; go: (position: number | undefined) => void; isOver: boolean }) {
  const { events, position, go, isOver } = props;
  const [playing, setPlaying] = useState(false);
  const count = events.length;
  const at = position ?? count;
  useEffect(() => {
    if (!playing) return;
    if (at >= count) {
      setPlaying(false);
      go(undefined);
      return;
    }
    const timer = setTimeout(() => go(at + 1), MOMENT_MS);
    return () => clearTimeout(timer);
  });
  const last = events[at - 1];
  const play = (): void => {
    if (!playing && at >= count) go(1);
    setPlaying(!playing);
  };
  return (
    <section className="replay" aria-label="Moment of the run">
      <button type="button" onClick={play} aria-label={playing ? "Pause the replay" : "Replay the run"}>
        {playing ? "❚❚" : "▶"}
      </button>
      <input
        type="range"
        aria-label="Moment"
        aria-valuetext={last ? `${at} of ${count}: ${wordsOfEvent(last)}` : "before the first event"}
        min={0}
        max={count}
        value={at}
        onChange={(event) => {
          setPlaying(false);
          const next = Number(event.target.value);
          go(next >= count ? undefined : next);
        }}
      />
      <span className="replay-words muted">
        {last && (
          <>
            <Clock time={last.timestamp} /> · {`${at}/${count} · ${wordsOfEvent(last)}`}
          </>
        )}
      </span>
      {position !== undefined && (
        <button
          type="button"
          onClick={() => {
            setPlaying(false);
            go(undefined);
          }}
        >
          {isOver ? "To the end" : "To now"}
        </button>
      )}
    </section>
  );
}

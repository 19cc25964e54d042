// Plays back what an agent's terminal showed, in the same terminal that shows it live.

import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { readRecording } from "../../api/agents";
import { inWords } from "../../api/problem";
import type { Agent } from "../../api/types";
import { keys } from "../../server-state/store";
import { copyText } from "../../ui/clipboard";
import { useNarrow } from "../../ui/media";
import { Empty, Failed, Loading } from "../../ui/states";
import { toast } from "../../ui/toasts";
import { Emulator, FONT } from "../terminal/emulator";
import { type Cast, castOf, countAt, find, shownAt, shownMoment, sizeOf } from "./cast";
import "../terminal/terminal.css";
import "./player.css";

const SPEEDS = [0.5, 1, 2, 4, 8, 16];
/** The longest pause when pauses are skipped, in seconds. */
const LONGEST_PAUSE = 1;
/** How far the arrow keys go, in seconds. */
const STEP = 5;

/** `moment`: where to begin, in milliseconds since 1970; 0 is the beginning. */
export function Player({ agent, moment, close }: { agent: Agent; moment: number; close: () => void }) {
  const { data: cast, error, refetch } = useQuery({
    queryKey: keys.recording(agent.id),
    queryFn: async () => {
      const { text, isCut } = await readRecording(agent.id);
      return castOf(text, isCut);
    },
    gcTime: 0,
    staleTime: Infinity,
    structuralSharing: false,
  });
  if (!cast) return error ? <Failed error={error} retry={refetch} /> : <Loading what="the recording" />;
  if (cast.pieces.length === 0) return <Empty>Nothing was recorded.</Empty>;
  return <Playing key={moment} cast={cast} moment={moment} close={close} reload={() => void refetch().then(({ error }) => error && toast(`It was not read again: ${inWords(error)}`, "error"))} />;
}

function Playing({ cast, moment, close, reload }: { cast: Cast; moment: number; close: () => void; reload: () => void }) {
  const narrow = useNarrow();
  const box = useRef<HTMLDivElement>(null);
  const emulator = useRef<Emulator>(undefined);
  /** Pieces that the terminal has. */
  const drawn = useRef(0);
  const [skips, setSkips] = useState(true);
  const [speed, setSpeed] = useState(1);
  const [playing, setPlaying] = useState(false);
  const times = useMemo(() => shownAt(cast.pieces, skips ? LONGEST_PAUSE : Infinity), [cast, skips]);
  const end = times.at(-1) ?? 0;
  const [at, setAt] = useState(() => (moment === 0 ? 0 : shownMoment(cast.pieces, times, (moment - cast.beganAt) / 1000)));
  const smallest = narrow ? FONT.smallestNarrow : FONT.smallest;

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const own = new Emulator();
    own.terminal.options.disableStdin = true;
    own.terminal.options.cursorBlink = false;
    own.terminal.resize(cast.cols, cast.rows);
    own.open(element);
    emulator.current = own;
    drawn.current = 0;
    const fit = (): void => own.fitLetters(element, smallest);
    const sizes = new ResizeObserver(fit);
    sizes.observe(element);
    const resized = own.terminal.onResize(fit);
    return () => {
      sizes.disconnect();
      resized.dispose();
      own.terminal.dispose();
      emulator.current = undefined;
    };
  }, [cast, smallest]);

  // The terminal has what was printed until then. Back is from the beginning.
  useEffect(() => {
    const terminal = emulator.current?.terminal;
    if (!terminal) return;
    const count = countAt(times, at);
    if (count < drawn.current) {
      terminal.reset();
      terminal.resize(cast.cols, cast.rows);
      drawn.current = 0;
    }
    for (const { kind, text } of cast.pieces.slice(drawn.current, count)) {
      const size = kind === "r" ? sizeOf(text) : undefined;
      if (kind === "o") terminal.write(text);
      else if (size) terminal.resize(size.cols, size.rows);
    }
    drawn.current = count;
  }, [cast, times, at, smallest]);

  useEffect(() => {
    if (!playing) return;
    let before = performance.now();
    let frame = 0;
    const turn = (now: number): void => {
      const passed = (speed * (now - before)) / 1000;
      before = now;
      setAt((was) => Math.min(end, was + passed));
      frame = requestAnimationFrame(turn);
    };
    frame = requestAnimationFrame(turn);
    return () => cancelAnimationFrame(frame);
  }, [playing, speed, end]);
  useEffect(() => {
    if (at >= end) setPlaying(false);
  }, [at, end]);

  const count = countAt(times, at);
  const real = cast.beganAt + (cast.pieces[count - 1]?.time ?? 0) * 1000;
  const jump = (to: number): void => setAt(Math.max(0, Math.min(end, to)));
  const play = (): void => {
    if (!playing && at >= end) setAt(0);
    setPlaying(!playing);
  };
  const toggleSkips = (on: boolean): void => {
    // The same moment on the other time.
    const now = cast.pieces[count - 1]?.time ?? 0;
    const other = shownAt(cast.pieces, on ? LONGEST_PAUSE : Infinity);
    setSkips(on);
    setAt(shownMoment(cast.pieces, other, now));
  };
  const onKeyDown = (event: React.KeyboardEvent): void => {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement || event.target instanceof HTMLButtonElement) return;
    if (event.key === " ") play();
    else if (event.key === "ArrowRight") jump(at + STEP);
    else if (event.key === "ArrowLeft") jump(at - STEP);
    else return;
    event.preventDefault();
  };
  return (
    <div className="terminal player" onKeyDown={onKeyDown} role="region" aria-label="Recording">
      <Find cast={cast} times={times} count={count} jump={jump} />
      <div className="terminal-box">
        <div className="terminal-screen" ref={box} />
      </div>
      <div className="player-time">
        <button type="button" onClick={play} aria-label={playing ? "Pause" : "Play"} title="Space">
          {playing ? "❚❚" : "▶"}
        </button>
        <input type="range" aria-label="Moment" aria-valuetext={clock(at)} min={0} max={end} step="any" value={at} onChange={(event) => jump(Number(event.target.value))} />
        <span className="muted player-clock">
          {clock(at)} / {clock(end)}
        </span>
      </div>
      <div className="terminal-bar">
        <button type="button" className="primary" onClick={close}>
          Live
        </button>
        <time className="hint terminal-size" dateTime={new Date(real).toISOString()}>
          {new Date(real).toLocaleString()}
        </time>
        {cast.isCut && <span className="hint">The end is not shown: the recording is too long.</span>}
        <label className="check">
          <span>Speed</span>
          <select aria-label="Speed" value={speed} onChange={(event) => setSpeed(Number(event.target.value))}>
            {SPEEDS.map((value) => (
              <option key={value} value={value}>
                {value}×
              </option>
            ))}
          </select>
        </label>
        <label className="check">
          <input type="checkbox" checked={skips} onChange={(event) => toggleSkips(event.target.checked)} />
          Skip pauses
        </label>
        <button type="button" onClick={() => void copyLink(Math.round(real))}>
          Copy link
        </button>
        <button type="button" title="Read again what was recorded until now" onClick={reload}>
          Reload
        </button>
      </div>
    </div>
  );
}

function Find({ cast, times, count, jump }: { cast: Cast; times: Float64Array; count: number; jump: (to: number) => void }) {
  const [text, setText] = useState("");
  const [isMissing, setMissing] = useState(false);
  const go = (backwards: boolean): void => {
    const index = find(cast.pieces, text, count - 1, backwards);
    setMissing(index < 0);
    if (index >= 0) jump(times[index]!);
  };
  return (
    <form
      className="terminal-search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        go(false);
      }}
    >
      <input aria-label="Search in the recording" placeholder="Search in the recording" value={text} onChange={(event) => setText(event.target.value)} />
      <button type="button" aria-label="Earlier" disabled={text === ""} onClick={() => go(true)}>
        ↑
      </button>
      <button type="submit" aria-label="Later" disabled={text === ""}>
        ↓
      </button>
      <span role="status" className="hint">
        {isMissing && "not there"}
      </span>
    </form>
  );
}

async function copyLink(moment: number): Promise<void> {
  const url = new URL(location.href);
  const [path = "", search = ""] = url.hash.slice(1).split("?");
  const query = new URLSearchParams(search);
  query.set("moment", String(moment));
  url.hash = `${path}?${query.toString()}`;
  if (await copyText(url.href)) toast("The address of this moment is in the clipboard.");
  else {
    history.replaceState(history.state, "", url);
    toast("This page may not write to the clipboard; the address of the moment is in the address bar.");
  }
}

function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number): string => String(value).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

// The live terminal of one agent. Looking at it changes nothing: it is shown in the size that it has.

import { type RefObject, useEffect, useRef, useState } from "react";
import { getAgent } from "../../api/agents";
import type { Agent } from "../../api/types";
import { putAgents } from "../../server-state/agents";
import { copyText } from "../../ui/clipboard";
import { useNarrow } from "../../ui/media";
import { toast } from "../../ui/toasts";
import { AttachButton } from "../attachments/attach-button";
import { asTyped, attachAll, whyNotTyped } from "../attachments/attachments";
import { useFileDrop } from "../attachments/drop";
import { useMayOperate, useScope } from "../session/scope";
import { type Holder, TerminalConnection } from "./connection";
import { Emulator, FONT } from "./emulator";
import { followCursor } from "./follow";
import { type Key, KeyRow, withControl } from "./key-row";
import { Search } from "./search";
import { scrollByTouch } from "./touch";
import "./terminal.css";

/** What xterm.js answers a program that wants to know of the focus (mode 1004): that it has none here. */
const FOCUS_LOST = "\x1b[O";

interface Session {
  emulator: Emulator;
  connection: TerminalConnection;
}

/** `isSmall`: one of several, with few controls. */
export function TerminalPane({ agent, showRecording, isSmall }: { agent: Agent; showRecording?: () => void; isSmall?: boolean }) {
  const narrow = useNarrow();
  const box = useRef<HTMLDivElement>(null);
  const session = useRef<Session>(undefined);
  const isScopeKnown = useScope() !== undefined;
  const mayOperate = useMayOperate();
  const [watches, setWatches] = useState(false);
  const viewOnly = watches || !mayOperate;
  const [note, setNote] = useState("Connecting …");
  const [size, setSize] = useState({ cols: 0, rows: 0 });
  const [holder, setHolder] = useState<Holder>();
  const [searching, setSearching] = useState(false);
  const [ctrl, setCtrl] = useState(false);
  const ctrlHeld = useRef(ctrl);
  ctrlHeld.current = ctrl;
  // Of the letters, in pixels; undefined: as large as there is room for.
  const [letters, setLetters] = useState<number>();
  const smallest = isSmall ? FONT.tiny : narrow ? FONT.smallestNarrow : FONT.smallest;
  // An agent that was restarted has another terminal.
  const life = agent.status === "stopped" ? "ended" : "lives";

  useEffect(() => {
    const element = box.current;
    if (!element || !isScopeKnown) return;
    const emulator = new Emulator(() => !viewOnly && emulator.isFocused);
    const { terminal } = emulator;
    emulator.open(element);
    const connection = new TerminalConnection(agent.id, viewOnly, {
      reset: () => terminal.reset(),
      write: (output) => terminal.write(output),
      resize: (cols, rows) => {
        terminal.resize(cols, rows);
        setSize({ cols, rows });
      },
      heldBy: setHolder,
      refused: (why) => toast(why, "error"),
      say: setNote,
    });
    terminal.onData((text) => {
      // Looking from here takes the focus from nobody: Gemini CLI shows no cursor without it, and then nothing can be typed into it.
      if (text === FOCUS_LOST) return;
      connection.type(ctrlHeld.current ? withControl(text) : text);
      if (ctrlHeld.current) setCtrl(false);
    });
    terminal.onBinary((text) => connection.type(Uint8Array.from(text, (char) => char.charCodeAt(0))));
    terminal.attachCustomKeyEventHandler((event) => {
      if (event.key === "F6" && event.ctrlKey) {
        if (event.type === "keydown") leave(element);
        return false;
      }
      if (event.key.toLowerCase() === "f" && event.ctrlKey && event.shiftKey) {
        if (event.type === "keydown") setSearching(true);
        event.preventDefault();
        return false;
      }
      return true;
    });
    const stopTouch = scrollByTouch(element, terminal);
    const stopFollowing = followCursor(element, terminal);
    session.current = { emulator, connection };
    return () => {
      stopTouch();
      stopFollowing();
      connection.close();
      terminal.dispose();
      session.current = undefined;
    };
  }, [agent.id, viewOnly, isScopeKnown, life]);

  useLetters(box, session, letters, smallest, size);
  useEffect(() => {
    const element = box.current;
    if (!element || holder !== "you") return;
    const sizes = new ResizeObserver(() => {
      const room = session.current?.emulator.roomFor();
      if (room) session.current?.connection.roomChanged(room);
    });
    sizes.observe(element);
    return () => sizes.disconnect();
  }, [holder]);

  const fitToWindow = (): void => {
    const { emulator, connection } = session.current ?? {};
    if (!emulator || !connection) return;
    // In letters that stay as they are: they would follow the size, and the size them.
    const kept = letters ?? FONT.usual;
    emulator.terminal.options.fontSize = kept;
    setLetters(kept);
    const room = emulator.roomFor();
    if (room) connection.takeSize(room);
  };
  const giveSizeBack = (): void => {
    session.current?.connection.giveSizeBack();
    setLetters(undefined);
  };
  const press = (key: Key): void => {
    const { emulator, connection } = session.current ?? {};
    if (!emulator || !connection) return;
    connection.type(bytesOf(key, emulator));
    setCtrl(false);
  };
  const [attaching, setAttaching] = useState(false);
  // As a terminal types what is dropped on it. CLIs that take images make one of the path of an image.
  const take = async (files: readonly File[]): Promise<void> => {
    if (files.length === 0) return;
    const whyNot = life === "ended" ? "The agent has ended" : viewOnly ? "This terminal is only watched" : asks(agent) ? (agent.attention?.kind === "unknown" ? "The agent shows something unknown" : "The agent asks something") : undefined;
    if (whyNot !== undefined) return toast(`${whyNot}: it takes no files.`, "error");
    const begun = session.current;
    if (!begun?.connection.isConnected) return toast("The terminal is not connected: it takes no files.", "error");
    setAttaching(true);
    await attachAll(agent, files, async (path) => {
      const typed = asTyped(path);
      // Sending takes time, in which a dialog may come up. Events may be late: the agent is asked for.
      const now = await getAgent(agent.id);
      putAgents([now]);
      const whyNot = whyNotTyped({ isSame: session.current === begun, isConnected: begun.connection.isConnected, status: now.status, asks: asks(now) });
      if (whyNot !== undefined) throw new Error(`The path was not typed: ${whyNot}. The file is in the agent's working directory: ${path}`);
      const { terminal } = begun.emulator;
      terminal.paste(typed);
      // Behind the paste: in it, some would not know the path of an image.
      terminal.input(" ");
    });
    setAttaching(false);
  };
  const { isOver, handlers } = useFileDrop((files) => void take(files));
  const changeLetters = (by: number): void => {
    const now = session.current?.emulator.terminal.options.fontSize ?? FONT.usual;
    setLetters(Math.max(FONT.smallest, Math.min(FONT.largest, Math.round(now) + by)));
  };
  return (
    <div className={isOver && !viewOnly ? "terminal is-drop-target" : "terminal"} {...handlers}>
      {searching && <Search emulator={session.current?.emulator} close={() => setSearching(false)} />}
      <div className="terminal-box">
        <div className="terminal-screen" ref={box} />
        {note !== "" && (
          <p className="terminal-note" role="status">
            {note}
          </p>
        )}
      </div>
      {narrow && !viewOnly && !isSmall && <KeyRow ctrl={ctrl} setCtrl={setCtrl} press={press} />}
      {!isSmall && <div className="terminal-bar">
        {mayOperate && (
          <label className="check">
            <input type="checkbox" checked={watches} onChange={(event) => setWatches(event.target.checked)} />
            Watch only
          </label>
        )}
        <span className="hint terminal-size" title="Columns and rows of the agent's terminal">
          {size.cols > 0 && `${size.cols}×${size.rows}`}
        </span>
        {!mayOperate ? null : holder === "you" ? (
          <button type="button" title="The terminal gets the size back that it had" onClick={giveSizeBack}>
            Give the size back
          </button>
        ) : (
          <button
            type="button"
            title={`Gives the agent's terminal the size of this window, for everybody${holder === "other" ? "; somebody else has given it theirs" : ""}`}
            disabled={viewOnly || life === "ended"}
            onClick={fitToWindow}
          >
            Fit to my window
          </button>
        )}
        {!viewOnly && life === "lives" && (
          <AttachButton name="Files for the terminal" title="Puts files into the agent's working directory, at most 8 MiB each, and types where they are. They may be pasted or dropped, too" busy={attaching} take={(files) => void take(files)} />
        )}
        <span className="button-group">
          <button type="button" aria-label="A−, smaller letters" onClick={() => changeLetters(-1)}>
            A−
          </button>
          <button type="button" aria-label="A+, larger letters" onClick={() => changeLetters(1)}>
            A+
          </button>
        </span>
        <button type="button" aria-label="Search in the terminal" title="Ctrl+Shift+F" onClick={() => setSearching(!searching)}>
          Search
        </button>
        <button type="button" title="What it showed, from its beginning" onClick={showRecording}>
          Recording
        </button>
        <button type="button" title="Everything that it shows and keeps, as text" onClick={() => void copyAll(session.current?.emulator)}>
          Copy
        </button>
        {!narrow && <span className="hint terminal-leave">Ctrl+F6 leaves</span>}
      </div>}
    </div>
  );
}

/** Whether it shows a dialog, or may, which what is typed would answer. */
const asks = ({ attention }: Agent): boolean => attention != null && attention.kind !== "stalled";

/** Keeps the letters as large as wanted, or as there is room for. */
function useLetters(
  box: RefObject<HTMLDivElement | null>,
  session: RefObject<Session | undefined>,
  wanted: number | undefined,
  smallest: number,
  size: { cols: number; rows: number },
): void {
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const set = (): void => {
      const emulator = session.current?.emulator;
      if (!emulator) return;
      if (wanted === undefined) emulator.fitLetters(element, smallest);
      else emulator.terminal.options.fontSize = wanted;
    };
    set();
    const sizes = new ResizeObserver(set);
    sizes.observe(element);
    return () => sizes.disconnect();
  }, [box, session, wanted, smallest, size]);
}

/** What is selected, or all of it, into the clipboard. */
async function copyAll(emulator: Emulator | undefined): Promise<void> {
  if (!emulator) return;
  const selected = emulator.terminal.getSelection();
  if (!(await copyText(selected || emulator.text()))) toast("This page may not write to the clipboard.", "error");
  else toast(selected ? "What is selected is in the clipboard." : "What the terminal shows and keeps is in the clipboard.");
}

/** Out of the terminal by keyboard: to what is done with it, of several to the head of its cell. Where there is neither, to the page. */
function leave(element: HTMLElement): void {
  const bar = element.closest(".terminal")?.querySelectorAll<HTMLElement>(".terminal-bar :is(input, button):enabled") ?? [];
  const head = element.closest(".terminal-cell")?.querySelectorAll<HTMLElement>(".cell-head button") ?? [];
  // On a phone on its side the bar is hidden.
  const next = [...bar, ...head].find((control) => control.checkVisibility());
  (next ?? document.querySelector<HTMLElement>("#main"))?.focus();
}

function bytesOf(key: Key, emulator: Emulator): string {
  switch (key) {
    case "esc":
      return "\x1b";
    case "tab":
      return "\t";
    case "enter":
      return "\r";
    case "slash":
      return "/";
    case "interrupt":
      return "\x03";
    case "up":
      return emulator.arrow("A");
    case "down":
      return emulator.arrow("B");
    case "right":
      return emulator.arrow("C");
    case "left":
      return emulator.arrow("D");
  }
}

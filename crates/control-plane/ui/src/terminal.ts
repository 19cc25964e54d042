// The live terminal of one agent: xterm.js over `parallax.terminal.v1`, which tells the size and resumes by offset.

import { FitAddon } from "@xterm/addon-fit";
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import { Terminal } from "@xterm/xterm";
import { socketUrl, terminalPath } from "./api";
import { el } from "./dom";

const PROTOCOL = "parallax.terminal.v1";
/** Length of the offset in front of each output frame, in bytes. */
const OFFSET_BYTES = 8;
/** Close codes after which connecting again makes no sense. */
const FINAL_CODES = [4000, 4404];
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 4000;

type ServerFrame =
  | { type: "hello"; offset: number; epoch: string; cols: number; rows: number; mode: "interactive" | "view" }
  | { type: "snapshot"; offset: number; data: string }
  | { type: "resize"; cols: number; rows: number }
  | { type: "skip"; from: number; to: number }
  | { type: "exit"; exit: { code?: number; signal?: string; reason: string } };

/** A terminal on the page, connected until it is closed. */
export class TerminalPane {
  readonly element = el("div", { className: "terminal-box" });
  private readonly note = el("p", { className: "terminal-note", attrs: { role: "status" } });
  private readonly screen = el("div", { className: "terminal-screen" });
  private readonly fit = new FitAddon();
  private readonly terminal = new Terminal({
    fontFamily: 'ui-monospace, "Cascadia Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
    fontSize: 13,
    scrollback: 5000,
    allowProposedApi: true, // widths of characters
    cursorBlink: true,
    theme: { background: "#12141c", foreground: "#d8dbe6", cursor: "#8f9bff", selectionBackground: "#3a4270" },
  });
  private readonly sizes = new ResizeObserver(() => this.takeRoom());
  private socket: WebSocket | undefined;
  private offset: bigint | undefined;
  private epoch = "";
  private wait = FIRST_WAIT_MS;
  private retry: number | undefined;
  private closed = false;

  /** `leave` is called when the person wants out of the terminal by keyboard (Ctrl+F6). */
  constructor(
    private readonly agentId: string,
    private viewOnly: boolean,
    leave: () => void,
  ) {
    this.element.append(this.screen, this.note);
    this.terminal.loadAddon(this.fit);
    // The host takes characters to be as wide as this add-on says.
    this.terminal.loadAddon(new UnicodeGraphemesAddon());
    this.terminal.onData((text) => this.type(text));
    this.terminal.onBinary((text) => this.type(Uint8Array.from(text, (char) => char.charCodeAt(0))));
    this.terminal.attachCustomKeyEventHandler((event) => {
      if (event.key !== "F6" || !event.ctrlKey) return true;
      if (event.type === "keydown") leave();
      return false;
    });
  }

  /** Shows the terminal; the element must be on the page. */
  open(): void {
    this.terminal.open(this.screen);
    this.sizes.observe(this.screen);
    void this.connect();
  }

  /** Watches only, or types as well. */
  setViewOnly(viewOnly: boolean): void {
    if (this.viewOnly === viewOnly) return;
    this.viewOnly = viewOnly;
    this.offset = undefined;
    this.wait = FIRST_WAIT_MS;
    this.socket?.close(1000);
    this.socket = undefined;
    void this.connect();
  }

  /** Connects again after the agent had ended: it was restarted. */
  revive(): void {
    if (this.socket || this.closed) return;
    this.offset = undefined;
    void this.connect();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.retry);
    this.sizes.disconnect();
    this.socket?.close(1000);
    this.terminal.dispose();
    this.element.remove();
  }

  private async connect(): Promise<void> {
    clearTimeout(this.retry);
    const since = this.offset?.toString();
    const mode = this.viewOnly ? "view" : undefined;
    let url: string;
    try {
      url = await socketUrl(terminalPath(this.agentId), { mode, since });
    } catch {
      return this.connectLater();
    }
    // The pane may have been closed, or switched to another mode, while the ticket was fetched.
    if (this.closed || this.viewOnly !== (mode === "view")) return;
    const socket = new WebSocket(url, [PROTOCOL]);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      if (typeof data === "string") this.takeFrame(JSON.parse(data) as ServerFrame);
      else this.takeOutput(data as ArrayBuffer);
    };
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.socket || this.closed) return;
      this.socket = undefined;
      if (FINAL_CODES.includes(code)) this.say(reason || "the agent has ended");
      else this.connectLater();
    };
    this.socket = socket;
  }

  private connectLater(): void {
    if (this.closed) return;
    this.say("Connection lost. Trying again …");
    this.retry = setTimeout(() => void this.connect(), this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
  }

  private takeOutput(frame: ArrayBuffer): void {
    const bytes = new Uint8Array(frame, OFFSET_BYTES);
    this.offset = new DataView(frame).getBigUint64(0) + BigInt(bytes.length);
    this.terminal.write(bytes);
  }

  private takeFrame(frame: ServerFrame): void {
    switch (frame.type) {
      case "hello":
        this.wait = FIRST_WAIT_MS;
        this.say("");
        if (frame.epoch !== this.epoch || BigInt(frame.offset) !== this.offset) this.terminal.reset();
        this.epoch = frame.epoch;
        this.offset = BigInt(frame.offset);
        this.terminal.resize(frame.cols, frame.rows);
        this.takeRoom();
        break;
      case "snapshot":
        this.terminal.reset();
        this.terminal.write(frame.data);
        this.offset = BigInt(frame.offset);
        break;
      case "resize":
        this.terminal.resize(frame.cols, frame.rows);
        break;
      case "skip":
        break; // a snapshot follows
      case "exit":
        this.say(`The agent has ended: ${frame.exit.reason}`);
    }
  }

  /** Makes the agent's terminal as large as the room on the page; who only watches takes it as it is. */
  private takeRoom(): void {
    if (this.viewOnly || this.socket?.readyState !== WebSocket.OPEN) return;
    const size = this.fit.proposeDimensions();
    if (!size || !Number.isFinite(size.cols) || size.cols < 20 || size.rows < 5) return;
    if (size.cols === this.terminal.cols && size.rows === this.terminal.rows) return;
    this.terminal.resize(size.cols, size.rows);
    this.socket.send(JSON.stringify({ type: "resize", cols: size.cols, rows: size.rows }));
  }

  private type(input: string | Uint8Array<ArrayBuffer>): void {
    if (this.viewOnly || this.socket?.readyState !== WebSocket.OPEN) return;
    // A binary frame is always typed, also when it looks like a control frame.
    this.socket.send(typeof input === "string" ? new TextEncoder().encode(input) : input);
  }

  private say(text: string): void {
    this.note.textContent = text;
    this.note.hidden = text === "";
  }
}

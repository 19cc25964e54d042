// The socket of one agent's terminal, `parallax.terminal.v1`: tells the size, resumes by offset, comes back by itself.

import { terminalPath } from "../../api/agents";
import { socketUrl } from "../../api/client";

const PROTOCOL = "parallax.terminal.v1";
/** Length of the offset in front of each output frame, in bytes. */
const OFFSET_BYTES = 8;
/** Close codes after which connecting again makes no sense. */
const FINAL_CODES = [4000, 4404];
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 4000;

/** Who holds the size of the terminal. Hosts of older versions do not say. */
export type Holder = "you" | "other" | "none";

interface Size {
  cols: number;
  rows: number;
}

type ServerFrame =
  | { type: "hello"; offset: number; epoch: string; cols: number; rows: number; mode: "interactive" | "view"; lease?: Holder }
  | { type: "lease"; holder: Holder }
  | { type: "error"; code: string; detail: string }
  | { type: "snapshot"; offset: number; data: string; more?: boolean }
  | { type: "continued"; data: string; more?: boolean }
  | { type: "resize"; cols: number; rows: number }
  | { type: "skip"; from: number; to: number }
  | { type: "exit"; exit: { code?: number; signal?: string; reason: string } };

/** Who shows the terminal. */
export interface Screen {
  /** Nothing that was shown counts any more. */
  reset(): void;
  write(output: string | Uint8Array): void;
  resize(cols: number, rows: number): void;
  /** Who holds the size by now. */
  heldBy(holder: Holder | undefined): void;
  /** Something that was asked for was not done. */
  refused(why: string): void;
  /** A word about the connection; empty when all is well. */
  say(note: string): void;
}

export class TerminalConnection {
  private socket: WebSocket | undefined;
  private offset: bigint | undefined;
  /** Where the screen stands that is still coming in parts. */
  private partial: bigint | undefined;
  private epoch = "";
  private wait = FIRST_WAIT_MS;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private closed = false;
  private holder: Holder | undefined;
  private isGreeted = false;
  /** The size that was taken and not given back: it is taken again after a break. */
  private taken: Size | undefined;

  constructor(
    private readonly agentId: string,
    private readonly viewOnly: boolean,
    private readonly screen: Screen,
  ) {
    void this.connect();
  }

  /** Whether what is typed now arrives. */
  get isConnected(): boolean {
    return this.isGreeted;
  }

  /** Types; nothing while there is no connection. */
  type(input: string | Uint8Array<ArrayBuffer>): void {
    if (this.viewOnly || this.socket?.readyState !== WebSocket.OPEN) return;
    // A binary frame is always typed, also when it looks like a control frame.
    this.socket.send(typeof input === "string" ? new TextEncoder().encode(input) : input);
  }

  /** Makes the agent's terminal so large, for everybody, until this viewer leaves or another one takes the size. */
  takeSize(size: Size): void {
    this.taken = size;
    // Before there were leases, the last who resized had it.
    this.control({ type: this.holder === undefined ? "resize" : "lease", ...size });
  }

  /** The room has another size; counts while the size is this viewer's. */
  roomChanged(size: Size): void {
    if (this.taken === undefined || this.holder !== "you") return;
    if (size.cols === this.taken.cols && size.rows === this.taken.rows) return;
    this.taken = size;
    this.control({ type: "resize", ...size });
  }

  /** Gives the size back. */
  giveSizeBack(): void {
    this.taken = undefined;
    this.control({ type: "release" });
  }

  private control(frame: object): void {
    if (this.viewOnly || this.socket?.readyState !== WebSocket.OPEN) return;
    this.socket.send(JSON.stringify(frame));
  }

  close(): void {
    this.closed = true;
    this.isGreeted = false;
    clearTimeout(this.retry);
    this.socket?.close(1000);
  }

  private async connect(): Promise<void> {
    clearTimeout(this.retry);
    let url: string;
    try {
      const mode = this.viewOnly ? "view" : undefined;
      url = await socketUrl(terminalPath(this.agentId), { mode, since: this.offset?.toString() });
    } catch {
      return this.connectLater();
    }
    if (this.closed) return;
    const socket = new WebSocket(url, [PROTOCOL]);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (this.closed) return;
      if (typeof data === "string") this.takeFrame(JSON.parse(data) as ServerFrame);
      else this.takeOutput(data as ArrayBuffer);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.closed) return;
      this.socket = undefined;
      this.isGreeted = false;
      if (FINAL_CODES.includes(code)) this.screen.say(reason || "The agent has ended.");
      else this.connectLater();
    };
    this.socket = socket;
  }

  private connectLater(): void {
    if (this.closed) return;
    this.screen.say("Connection lost. Trying again …");
    this.retry = setTimeout(() => void this.connect(), this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
  }

  private hold(holder: Holder | undefined): void {
    this.holder = holder;
    this.screen.heldBy(holder);
  }

  private takeOutput(frame: ArrayBuffer): void {
    const bytes = new Uint8Array(frame, OFFSET_BYTES);
    this.offset = new DataView(frame).getBigUint64(0) + BigInt(bytes.length);
    this.screen.write(bytes);
  }

  /** A part of a screen. Half a screen is none: after a break, a whole one is asked for. */
  private takeSnapshot(data: string, offset: bigint | undefined, more: boolean | undefined): void {
    this.screen.write(data);
    this.partial = more ? offset : undefined;
    this.offset = more ? undefined : offset;
  }

  private takeFrame(frame: ServerFrame): void {
    switch (frame.type) {
      case "hello":
        this.wait = FIRST_WAIT_MS;
        this.screen.say("");
        if (frame.epoch !== this.epoch || BigInt(frame.offset) !== this.offset) this.screen.reset();
        this.epoch = frame.epoch;
        this.isGreeted = true;
        this.offset = BigInt(frame.offset);
        this.screen.resize(frame.cols, frame.rows);
        this.hold(frame.lease);
        if (this.taken && frame.lease !== undefined) this.takeSize(this.taken);
        break;
      case "lease":
        // Another one took it: it is not taken back from there.
        if (frame.holder === "other") this.taken = undefined;
        this.hold(frame.holder);
        break;
      case "error":
        this.screen.refused(frame.detail);
        break;
      case "snapshot":
        this.screen.reset();
        this.takeSnapshot(frame.data, BigInt(frame.offset), frame.more);
        break;
      case "continued":
        this.takeSnapshot(frame.data, this.partial, frame.more);
        break;
      case "resize":
        this.screen.resize(frame.cols, frame.rows);
        break;
      case "skip":
        break; // a snapshot follows
      case "exit":
        this.screen.say(`The agent has ended: ${frame.exit.reason}`);
    }
  }
}

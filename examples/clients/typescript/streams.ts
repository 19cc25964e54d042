// What a generator cannot make of the description: events with resuming, and the terminal protocol. For browsers and Node.

import type { components } from "./schema.js";

export type Event = components["schemas"]["Event"];

const PROTOCOL = "parallax.terminal.v1";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Events after the one with the id `since` (`"0"`: from the oldest that is kept), until `signal` aborts.
 *
 * Goes on where it was after a connection broke, and waits for a server that is away. `event.id` is the cursor to keep. An
 * event `reset` says that some were lost: ask for what you show again.
 */
export async function* events(
  base: string,
  options: { since?: string; agentId?: string; token?: string; signal?: AbortSignal } = {},
): AsyncGenerator<Event> {
  let { since } = options;
  const { agentId, token, signal } = options;
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (token) headers["authorization"] = `Bearer ${token}`;
  for (let wait = 200; !signal?.aborted; wait = Math.min(wait * 2, 5000)) {
    const query = new URLSearchParams();
    if (since !== undefined) query.set("since", since);
    if (agentId !== undefined) query.set("agentId", agentId);
    const init: RequestInit = signal ? { headers, signal } : { headers };
    const answer = await fetch(`${base}/api/managed-agents/events?${query}`, init).catch(() => undefined);
    if (answer && answer.status >= 400 && answer.status < 500 && answer.status !== 429)
      throw new Error(`${answer.status}: ${await answer.text()}`);
    if (answer?.ok && answer.body) {
      wait = 200;
      for await (const line of lines(answer.body)) {
        // A server-sent event of this server has its JSON in one line; the id is in there, too.
        if (!line.startsWith("data:")) continue;
        const event = JSON.parse(line.slice(5)) as Event;
        since = event.id || since;
        yield event;
      }
    }
    await pause(wait);
  }
}

/** The lines of a body, until it ends or breaks off. */
async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  try {
    for (;;) {
      const read = await reader.read().catch(() => ({ done: true as const, value: undefined }));
      if (read.done) return;
      const parts = (rest + read.value).split("\n");
      rest = parts.pop() ?? "";
      yield* parts;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** A control frame of the server. */
export type Control = { type: string; offset?: number; exit?: components["schemas"]["AgentExit"] };

/** Codes after which a terminal is opened again: the server goes away, does not reach the agent's, or the connection broke. */
const AGAIN = [1001, 1006, 4503];

/**
 * One agent's terminal over `parallax.terminal.v1`. `offset` is the cursor: another one with `since` goes on there, and so does this
 * one when its server went away or its connection broke.
 */
export class Terminal {
  offset = 0;
  onOutput: (bytes: Uint8Array) => void = () => undefined;
  onControl: (frame: Control) => void = () => undefined;
  /** Called once, with the code of the WebSocket: 4000 when the agent has ended. */
  onClose: (code: number) => void = () => undefined;
  readonly #url: (since: number | undefined) => Promise<string>;
  #socket: WebSocket | undefined;
  /** What was typed before it was open. */
  #typed: string[] = [];
  #isClosed = false;

  /** `ticket` gets one from `POST /api/tickets`, where a token is needed: browsers cannot send a header with a WebSocket. */
  constructor(
    base: string,
    agentId: string,
    options: { since?: number; view?: boolean; ticket?: () => Promise<string> } = {},
  ) {
    this.#url = async (since) => {
      const query = new URLSearchParams();
      if (since !== undefined) query.set("since", String(since));
      if (options.view) query.set("mode", "view");
      if (options.ticket) query.set("ticket", await options.ticket());
      return `${base.replace(/^http/, "ws")}/api/managed-agents/${agentId}/terminal?${query}`;
    };
    void this.#connect(options.since, 200);
  }

  /** Types, as a person would, once the terminal is open. */
  type(text: string): void {
    if (this.#socket?.readyState === 1) this.#socket.send(new TextEncoder().encode(text));
    else this.#typed.push(text);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket?.close();
  }

  async #connect(since: number | undefined, wait: number): Promise<void> {
    const socket = new WebSocket(await this.#url(since), PROTOCOL);
    let isOpen = false;
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      isOpen = true;
      for (const text of this.#typed.splice(0)) this.type(text);
    };
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => this.#take(data);
    socket.onclose = async ({ code }) => {
      if (this.#isClosed || !AGAIN.includes(code)) return this.onClose(code);
      await pause(wait);
      // Before anything came, it begins as it was asked to.
      const at = this.offset || since;
      void this.#connect(at, isOpen ? 200 : Math.min(wait * 2, 5000));
    };
  }

  #take(data: ArrayBuffer | string): void {
    if (typeof data === "string") {
      const frame = JSON.parse(data) as Control;
      if (frame.offset !== undefined) this.offset = frame.offset;
      this.onControl(frame);
      return;
    }
    const output = new Uint8Array(data, 8);
    this.offset = Number(new DataView(data).getBigUint64(0)) + output.length;
    this.onOutput(output);
  }
}

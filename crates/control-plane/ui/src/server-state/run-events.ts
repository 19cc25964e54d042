// What happened in one run, from its first event on: the run at any moment is made of it.

import { useEffect, useSyncExternalStore } from "react";
import { socketUrl } from "../api/client";
import { runEventsPath } from "../api/runs";
import type { RunEvent } from "../api/types";
import { keys, store } from "./store";

/** Events that are kept of a run; a longer one is shown up to there, and says so. */
export const MAX_RUN_EVENTS = 20_000;
/** How long events are gathered before they are shown, in milliseconds. */
const GATHER_MS = 100;
const RETRY_MS = 2000;

export interface RunLog {
  events: readonly RunEvent[];
  /** Whether the server has told everything there is by now. */
  isWhole: boolean;
}

const NOTHING: RunLog = { events: [], isWhole: false };

/** Follows a run. */
class Follower {
  private log: RunLog = NOTHING;
  private gathered: RunEvent[] = [];
  private due: ReturnType<typeof setTimeout> | undefined;
  private socket: WebSocket | undefined;
  private closed = false;
  private listeners = new Set<() => void>();

  constructor(private readonly id: string) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  readonly current = (): RunLog => this.log;

  start(): void {
    this.closed = false;
    void this.connect();
  }

  stop(): void {
    this.closed = true;
    clearTimeout(this.due);
    this.due = undefined;
    this.socket?.close(1000);
  }

  private async connect(): Promise<void> {
    const last = this.gathered.at(-1) ?? this.log.events.at(-1);
    let url: string;
    try {
      url = await socketUrl(runEventsPath(this.id), { since: last?.id });
    } catch {
      return this.again();
    }
    if (this.closed) return;
    const socket = new WebSocket(url);
    this.socket = socket;
    let ended = false;
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data as string) as RunEvent;
      ended = event.event === "execution_ended";
      this.gathered.push(event);
      this.due ??= setTimeout(() => this.take(), GATHER_MS);
    };
    socket.onclose = () => {
      if (!this.closed && !ended && this.log.events.at(-1)?.event !== "execution_ended") this.again();
    };
  }

  private again(): void {
    if (!this.closed) setTimeout(() => this.closed || void this.connect(), RETRY_MS);
  }

  private take(): void {
    this.due = undefined;
    const events = [...this.log.events, ...this.gathered].slice(0, MAX_RUN_EVENTS);
    this.gathered = [];
    this.log = { events, isWhole: true };
    for (const listener of this.listeners) listener();
    void store.invalidateQueries({ queryKey: keys.runs });
  }
}

const followers = new Map<string, Follower>();

/** The events of a run for as long as it is shown. */
export function useRunEvents(id: string): RunLog {
  let follower = followers.get(id);
  if (!follower) followers.set(id, (follower = new Follower(id)));
  useEffect(() => {
    const own = followers.get(id) ?? new Follower(id);
    followers.set(id, own);
    own.start();
    return () => {
      own.stop();
      followers.delete(id);
    };
  }, [id]);
  return useSyncExternalStore(follower.subscribe, follower.current);
}

// The event stream: one WebSocket that resumes where it broke off.

import { eventsPath } from "../api/agents";
import { socketUrl } from "../api/client";
import { type AgentEvent, agentIdOf } from "../api/types";
import { putActivity } from "./activity";
import { putAgents, recheckStarting } from "./agents";
import { setConnection } from "./connection";
import { onDoubt } from "./doubt";
import { refreshMessages } from "./messages";
import { askForRuntimes } from "./runtimes";
import { keys, store } from "./store";

/** Milliseconds between a break and the next try: doubled each time, up to the limit. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 4000;
/** How long events are gathered before they are taken together, in milliseconds: what is drawn is drawn once for all of them. */
const GATHER_MS = 50;

let gathered: AgentEvent[] = [];

/** Follows the events for as long as the page is open. */
export async function followEvents(): Promise<never> {
  let since: string | undefined;
  let wait = FIRST_WAIT_MS;
  let giveUp: (() => void) | undefined;
  let isGivenUp = false;
  recheckStarting();
  // Another connection resumes where this one was, whether it was dead or not.
  onDoubt(() => giveUp?.());
  for (;;) {
    try {
      // A refused socket does not say why; a refused call does, and asks for the token.
      store.setQueryData(keys.runtimes, await askForRuntimes());
      const socket = new WebSocket(await socketUrl(eventsPath, { since }));
      await new Promise<void>((ended) => {
        giveUp = () => {
          isGivenUp = socket.readyState === WebSocket.OPEN;
          // Closing takes long where nobody answers; what comes meanwhile comes again.
          socket.onmessage = null;
          socket.close();
          ended();
        };
        socket.onopen = () => {
          wait = FIRST_WAIT_MS;
          // The stream stands, so nothing that happens after this list can be missed. What is shown is old until it is there.
          void refetchAll().then(() => {
            if (socket.readyState === WebSocket.OPEN) setConnection("live");
          });
        };
        socket.onmessage = ({ data }) => {
          const event = JSON.parse(data as string) as AgentEvent;
          since = event.id;
          gather(event);
        };
        socket.onclose = () => ended();
      });
    } catch {
      // No ticket, no server: the next round tries again.
    }
    giveUp = undefined;
    if (isGivenUp) {
      // It may have been well: that it is lost is said when the next one does not come.
      isGivenUp = false;
      setConnection("connecting");
      continue;
    }
    setConnection("lost");
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

/** Asks for everything that is shown again. */
const refetchAll = (): Promise<void> =>
  store.invalidateQueries({ predicate: ({ queryKey: [kind] }) => kind !== "activity" && kind !== "history" && kind !== "recording" && kind !== "layout" });

function gather(event: AgentEvent): void {
  if (gathered.length === 0) setTimeout(take, GATHER_MS);
  gathered.push(event);
}

function take(): void {
  const events = gathered;
  gathered = [];
  putAgents(events.flatMap(({ data: { agent } }) => agent ?? []));
  putActivity(events);
  for (const id of new Set(events.map(agentIdOf))) if (id !== undefined) void refreshMessages(id);
  if (events.some(({ event }) => event === "reset")) void refetchAll();
}

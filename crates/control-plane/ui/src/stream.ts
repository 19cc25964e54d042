// The event stream: one WebSocket that resumes where it broke off.

import { type AgentEvent, eventsPath, socketUrl } from "./api";
import { changed, putEvent, reload, reloadRuntimes, state } from "./store";

/** Milliseconds between a break and the next try: doubled each time, up to the limit. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 4000;

/** Follows the events for as long as the page is open; `onEvent` hears each one after the store took it. */
export async function followEvents(onEvent: (event: AgentEvent) => void): Promise<never> {
  let since: string | undefined;
  let wait = FIRST_WAIT_MS;
  for (;;) {
    try {
      // A refused socket does not say why; a refused call does, and asks for the token.
      await reloadRuntimes();
      const socket = new WebSocket(await socketUrl(eventsPath, { since }));
      await new Promise<void>((ended) => {
        socket.onopen = async () => {
          wait = FIRST_WAIT_MS;
          state.connected = true;
          changed();
          // The stream stands, so nothing that happens after this list can be missed.
          await reload().catch(() => socket.close());
        };
        socket.onmessage = ({ data }) => {
          const event = JSON.parse(data as string) as AgentEvent;
          since = event.id;
          putEvent(event);
          if (event.event === "reset") void reload().catch(() => socket.close());
          onEvent(event);
        };
        socket.onclose = () => ended();
      });
    } catch {
      // No ticket, no server: the next round tries again.
    }
    state.connected = false;
    changed();
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

// What was written and not sent yet, by agent. It is kept outside of the form: it stays when something else is looked at, and goes when it was
// sent, whatever is looked at then.

import { useSyncExternalStore } from "react";
import { Attempt } from "../../api/attempt";

interface Draft {
  text: string;
  /** On its way: it is not sent a second time meanwhile. */
  isSending: boolean;
  /** Of sending this text; another text is another one. */
  attempt?: Attempt;
}

const EMPTY: Draft = { text: "", isSending: false };
const drafts = new Map<string, Draft>();
const listeners = new Set<() => void>();

const draftOf = (agentId: string): Draft => drafts.get(agentId) ?? EMPTY;

function keep(agentId: string, draft: Draft): void {
  if (draft.text === "" && !draft.isSending) drafts.delete(agentId);
  else drafts.set(agentId, draft);
  for (const listener of listeners) listener();
}

export function write(agentId: string, next: (now: string) => string): void {
  const { text, isSending } = draftOf(agentId);
  keep(agentId, { text: next(text), isSending });
}

/** Sends it. What was written meanwhile is no part of it, and stays. */
export async function sendDraft(agentId: string, send: (text: string, attempt: Attempt) => Promise<boolean>): Promise<boolean> {
  const { text, attempt = new Attempt() } = draftOf(agentId);
  keep(agentId, { text, isSending: true, attempt });
  const isSent = await send(text, attempt);
  const now = draftOf(agentId);
  keep(agentId, isSent && now.text === text ? EMPTY : { ...now, isSending: false });
  return isSent;
}

export function useDraft(agentId: string): Draft {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => draftOf(agentId),
  );
}

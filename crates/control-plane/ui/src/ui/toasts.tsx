// A short word at the edge of the page when something was refused or done by somebody else.

import * as Toast from "@radix-ui/react-toast";
import { useSyncExternalStore } from "react";
import { inWords } from "../api/problem";

/** How long a word stays, in milliseconds. */
const STAYS_MS = 8000;
/** Words shown at once at most. */
const MAX_SHOWN = 4;

interface Note {
  id: number;
  text: string;
  kind: "error" | "info";
}

let notes: readonly Note[] = [];
let nextId = 0;
const listeners = new Set<() => void>();
const set = (next: readonly Note[]): void => {
  notes = next;
  for (const listener of listeners) listener();
};

/** Says something for a while. */
export function toast(text: string, kind: Note["kind"] = "info"): void {
  set([...notes, { id: nextId++, text, kind }].slice(-MAX_SHOWN));
}

/** Does it; what is refused is said. */
export async function attempt(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    toast(inWords(error), "error");
    return false;
  }
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => notes,
  );
  return (
    <Toast.Provider duration={STAYS_MS} label="Notice">
      {shown.map(({ id, text, kind }) => (
        <Toast.Root key={id} className={`toast ${kind}`} onOpenChange={(open) => open || set(notes.filter((note) => note.id !== id))}>
          <Toast.Description>{text}</Toast.Description>
          <Toast.Close aria-label="Dismiss">×</Toast.Close>
        </Toast.Root>
      ))}
      <Toast.Viewport className="toasts" />
    </Toast.Provider>
  );
}

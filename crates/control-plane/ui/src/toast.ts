// A short word at the edge of the page when something was refused.

import { Problem } from "./api";
import { el } from "./dom";

/** How long a word stays, in milliseconds. */
const STAYS_MS = 8000;

export const toasts = el("div", { className: "toasts", attrs: { role: "alert" } });

export function toast(text: string): void {
  const note = el("p", { className: "toast", textContent: text });
  toasts.append(note);
  setTimeout(() => note.remove(), STAYS_MS);
}

/** Does it; what is refused is said. */
export async function attempt(action: () => Promise<void>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    toast(error instanceof Problem ? `${error.code}: ${error.message}` : String(error));
    return false;
  }
}

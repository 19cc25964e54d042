// Answers in one key.

import type { KeyboardEvent } from "react";

/** The digit of an option chooses it, when the card has the focus and nobody is writing. */
export function chooseByDigit(event: KeyboardEvent<HTMLElement>): void {
  if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!/^[1-9]$/.test(event.key)) return;
  event.currentTarget.querySelector<HTMLButtonElement>(`[data-option="${event.key}"]:not(:disabled)`)?.click();
}

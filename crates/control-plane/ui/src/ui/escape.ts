// Escape and dialogs. Of the layers of the page it reaches the uppermost only, and a toast is one that does not say that the key is taken.

import { useEffect } from "react";

/** The dialogs that are open, the innermost last. */
const open: object[] = [];

/** Closes a dialog by Escape where nothing above it has taken the key: of several, the innermost. */
export function useEscape(isOpen: boolean, close: () => void): void {
  useEffect(() => {
    if (!isOpen) return;
    const dialog = {};
    open.push(dialog);
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== "Escape" || event.defaultPrevented || open.at(-1) !== dialog) return;
      // The dialogs around it hear of the same key.
      event.preventDefault();
      close();
    };
    window.addEventListener("keydown", onKey);
    return () => {
      window.removeEventListener("keydown", onKey);
      open.splice(open.indexOf(dialog), 1);
    };
  }, [isOpen, close]);
}

// What the page is shown on.

import { useSyncExternalStore } from "react";

/** Narrower than this there is room for one pane. The style sheet has the same number. */
const NARROW = matchMedia("(max-width: 899px)");

const DARK = matchMedia("(prefers-color-scheme: dark)");

/** Whether one pane is shown at a time. */
export const useNarrow = (): boolean =>
  useSyncExternalStore(
    (listener) => {
      NARROW.addEventListener("change", listener);
      return () => NARROW.removeEventListener("change", listener);
    },
    () => NARROW.matches,
  );

/** Whether the system is dark: what is drawn on a canvas is drawn anew when that changes. */
export const useSystemDark = (): boolean =>
  useSyncExternalStore(
    (listener) => {
      DARK.addEventListener("change", listener);
      return () => DARK.removeEventListener("change", listener);
    },
    () => DARK.matches,
  );

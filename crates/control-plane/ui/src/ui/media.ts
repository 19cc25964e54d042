// What the page is shown on.

import { useSyncExternalStore } from "react";

/** Narrower than this there is room for one pane. The style sheet has the same number. */
const NARROW = matchMedia("(max-width: 899px)");

/** Whether one pane is shown at a time. */
export const useNarrow = (): boolean =>
  useSyncExternalStore(
    (listener) => {
      NARROW.addEventListener("change", listener);
      return () => NARROW.removeEventListener("change", listener);
    },
    () => NARROW.matches,
  );

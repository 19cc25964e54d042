// A list as it was when the palette opened. What comes or goes meanwhile would move the rows under the pointer, and where the row that is chosen
// goes, the palette chooses another, which Enter would do.

import { useState } from "react";

/** The list as it was first known. */
export function useHeld<T>(known: T | undefined): T | undefined {
  const [held, setHeld] = useState(known);
  if (held === undefined && known !== undefined) setHeld(known);
  return held ?? known;
}

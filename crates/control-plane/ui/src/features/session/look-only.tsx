// In the place of what this page's token does not allow.

import { useScope } from "./scope";

export function LookOnly() {
  return useScope() === "view" ? <p className="hint">Your token may look, and not answer.</p> : null;
}

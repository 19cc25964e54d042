// What is shown where there is nothing to show, not yet, or not any more.

import type { ReactNode } from "react";
import { inWords } from "../api/problem";

export function Empty({ children }: { children: ReactNode }) {
  return <p className="empty">{children}</p>;
}

export function Loading({ what }: { what: string }) {
  return (
    <p className="empty" role="status">
      Loading {what} …
    </p>
  );
}

/** `reload`: to ask again may not be enough. */
export function Failed({ error, retry, reload = false }: { error: unknown; retry?: () => unknown; reload?: boolean }) {
  return (
    <div className="failed-box" role="alert">
      <p>{inWords(error)}</p>
      {retry && (
        <button type="button" onClick={() => void retry()}>
          Try again
        </button>
      )}
      {reload && (
        <button type="button" onClick={() => location.reload()}>
          Reload the page
        </button>
      )}
    </div>
  );
}

// Searches in what a terminal shows and keeps.

import { type KeyboardEvent, useState } from "react";
import type { Emulator } from "./emulator";

export function Search({ emulator, close }: { emulator: Emulator | undefined; close: () => void }) {
  const [text, setText] = useState("");
  const find = (backwards: boolean): void => {
    if (backwards) emulator?.search.findPrevious(text);
    else emulator?.search.findNext(text);
  };
  const end = (): void => {
    emulator?.search.clearDecorations();
    emulator?.terminal.focus();
    close();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Enter") find(!event.shiftKey);
    if (event.key === "Escape") end();
  };
  return (
    <div className="terminal-search" role="search">
      <input autoFocus aria-label="Search in the terminal" placeholder="Search" value={text} onChange={(event) => setText(event.target.value)} onKeyDown={onKeyDown} />
      <button type="button" aria-label="Further up" onClick={() => find(true)}>
        ↑
      </button>
      <button type="button" aria-label="Further down" onClick={() => find(false)}>
        ↓
      </button>
      <button type="button" aria-label="Close the search" onClick={end}>
        ×
      </button>
    </div>
  );
}

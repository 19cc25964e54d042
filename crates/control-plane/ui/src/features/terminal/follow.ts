// Where a terminal is taller than its box: the row with the cursor stays in view, until somebody scrolls away from it.

import type { Terminal } from "@xterm/xterm";

/** Rows below the cursor that are shown with it: programs have a line or two under where one types. */
const BELOW = 3;

/** Keeps the cursor in view; gives what ends that. */
export function followCursor(box: HTMLElement, terminal: Terminal): () => void {
  let follows = true;
  const rowHeight = (): number => (box.querySelector(".xterm-screen")?.clientHeight ?? 0) / terminal.rows;
  const cursorTop = (): number => terminal.buffer.active.cursorY * rowHeight();
  const show = (): void => {
    if (!follows || box.scrollHeight <= box.clientHeight) return;
    const bottom = Math.min(cursorTop() + (1 + BELOW) * rowHeight(), box.scrollHeight);
    if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
    else if (cursorTop() < box.scrollTop) box.scrollTop = cursorTop();
  };
  const onScroll = (): void => {
    const top = cursorTop();
    follows = top >= box.scrollTop - 1 && top + rowHeight() <= box.scrollTop + box.clientHeight + 1;
  };
  const sizes = new ResizeObserver(show);
  sizes.observe(box);
  const written = terminal.onWriteParsed(show);
  const resized = terminal.onRender(show);
  box.addEventListener("scroll", onScroll);
  return () => {
    sizes.disconnect();
    written.dispose();
    resized.dispose();
    box.removeEventListener("scroll", onScroll);
  };
}

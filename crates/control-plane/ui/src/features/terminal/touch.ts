// Scrolling a terminal with a finger, which xterm.js does not do: through the scrollback, or in a program that fills the screen or
// asks for the mouse by turning the wheel there.

import type { Terminal } from "@xterm/xterm";

/** Share of its speed that a flick loses in a frame. */
const FRICTION = 0.06;
/** A flick ends below this speed, in pixels a millisecond. */
const SLOWEST = 0.02;

/** Makes fingers scroll; gives what undoes it. */
export function scrollByTouch(box: HTMLElement, terminal: Terminal): () => void {
  let last: { x: number; y: number; time: number } | undefined;
  let speed = 0;
  let rolling = 0;
  /** Pixels that are no whole line yet. */
  let rest = 0;
  const turn = (moved: number, at: { x: number; y: number }): void => {
    // A terminal that is taller than its box is moved in it first.
    const before = box.scrollTop;
    box.scrollTop += moved;
    if (box.scrollTop !== before) return;
    const screen = box.querySelector(".xterm-screen");
    const height = (screen?.clientHeight ?? 0) / terminal.rows;
    if (!screen || height === 0) return;
    rest += moved;
    const lines = Math.trunc(rest / height);
    if (lines === 0) return;
    rest -= lines * height;
    if (terminal.modes.mouseTrackingMode === "none" && terminal.buffer.active.type === "normal") terminal.scrollLines(lines);
    else
      screen.dispatchEvent(
        new WheelEvent("wheel", { deltaY: lines, deltaMode: WheelEvent.DOM_DELTA_LINE, clientX: at.x, clientY: at.y, bubbles: true, cancelable: true }),
      );
  };
  const start = ({ touches }: TouchEvent): void => {
    cancelAnimationFrame(rolling);
    const [touch] = touches;
    last = touch && touches.length === 1 ? { x: touch.clientX, y: touch.clientY, time: performance.now() } : undefined;
    speed = 0;
    rest = 0;
  };
  const move = ({ touches }: TouchEvent): void => {
    const [touch] = touches;
    if (!touch || !last) return;
    const now = performance.now();
    const moved = last.y - touch.clientY;
    speed = 0.7 * speed + 0.3 * (moved / Math.max(1, now - last.time));
    last = { x: touch.clientX, y: touch.clientY, time: now };
    turn(moved, last);
  };
  const end = (): void => {
    const at = last;
    last = undefined;
    if (!at || performance.now() - at.time > 80) return;
    let before = performance.now();
    const roll = (now: number): void => {
      turn(speed * (now - before), at);
      before = now;
      speed *= 1 - FRICTION;
      if (Math.abs(speed) > SLOWEST) rolling = requestAnimationFrame(roll);
    };
    if (Math.abs(speed) > SLOWEST) rolling = requestAnimationFrame(roll);
  };
  box.addEventListener("touchstart", start, { passive: true });
  box.addEventListener("touchmove", move, { passive: true });
  box.addEventListener("touchend", end);
  return () => {
    cancelAnimationFrame(rolling);
    box.removeEventListener("touchstart", start);
    box.removeEventListener("touchmove", move);
    box.removeEventListener("touchend", end);
  };
}

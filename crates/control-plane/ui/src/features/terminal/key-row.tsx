// The keys that a phone's keyboard lacks.

import type { MouseEvent, PointerEvent } from "react";

/** `ctrl` holds for the next key that is typed. */
export function KeyRow(props: { ctrl: boolean; setCtrl: (on: boolean) => void; press: (key: Key) => void }) {
  return (
    <div className="key-row" role="toolbar" aria-label="Keys">
      {KEYS.map(({ key, label, name }) =>
        key === "ctrl" ? (
          <button key={key} type="button" aria-pressed={props.ctrl} {...pressing(() => props.setCtrl(!props.ctrl))}>
            {label}
          </button>
        ) : (
          <button key={key} type="button" aria-label={name} {...pressing(() => props.press(key))}>
            {label}
          </button>
        ),
      )}
    </div>
  );
}

/** A finger that rests on a key presses it, too, which is no click; one that swipes along the row ends in no `pointerup`. */
const pressing = (press: () => void) => ({
  // Taking the focus would close the keyboard.
  onPointerDown: (event: PointerEvent) => event.preventDefault(),
  onPointerUp: press,
  // Enter and the blank press it without a pointer.
  onClick: (event: MouseEvent) => event.detail === 0 && press(),
});

export type Key = "esc" | "tab" | "left" | "up" | "down" | "right" | "enter" | "slash" | "interrupt";

/** Those that are needed most first: a phone shows eight, the others are a swipe away. */
const KEYS: { key: Key | "ctrl"; label: string; name?: string }[] = [
  { key: "esc", label: "Esc" },
  { key: "tab", label: "Tab" },
  { key: "ctrl", label: "Ctrl" },
  { key: "up", label: "↑", name: "Up" },
  { key: "down", label: "↓", name: "Down" },
  { key: "left", label: "←", name: "Left" },
  { key: "right", label: "→", name: "Right" },
  { key: "enter", label: "⏎", name: "Enter" },
  { key: "interrupt", label: "^C", name: "Control C" },
  { key: "slash", label: "/", name: "Slash" },
];

/** What a letter types while Ctrl is held: `c` is ETX. Anything else stays as it is. */
export function withControl(text: string): string {
  const code = text.toUpperCase().charCodeAt(0);
  return text.length === 1 && code >= 0x40 && code <= 0x5f ? String.fromCharCode(code & 0x1f) : text;
}

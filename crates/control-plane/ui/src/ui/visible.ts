// What is approved or reviewed, with everything in it to be seen: nothing turns the direction of what stands beside it, hides, or controls.
// Names have a rule of their own, in plain.ts, which lets joined signs be; here what joins is shown, too, as any program would read it.

import { UNSEEN } from "./plain";

/**
 * Controls but the ends of lines and tabs, halves of characters, and what shows nothing. Not what only chooses the look of the sign before it,
 * as of most emoji.
 */
const HIDDEN = new RegExp(String.raw`(?<!\p{ExtPict}|[0-9#*](?=\ufe0f\u20e3))[\ufe0e\ufe0f]|(?![\n\t\ufe0e\ufe0f])${UNSEEN}`, "gu");

/** The text with a visible sign in the place of each that is not: `^[` and its like for controls of ASCII, U+FFFD for all else. */
export const visible = (text: string): string => text.replace(HIDDEN, (hidden) => (hidden < " " || hidden === "\x7f" ? `^${String.fromCharCode(hidden.charCodeAt(0) ^ 0x40)}` : "\ufffd"));

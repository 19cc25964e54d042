// A recording (asciicast v2), and its time with and without the pauses.

/** A piece of a recording. Times are in seconds from its beginning. */
export interface Piece {
  time: number;
  /** `o`: printed, `r`: another size (`COLSxROWS`), `m`: a mark, such as a gap in the log. */
  kind: "o" | "r" | "m";
  text: string;
}

export interface Cast {
  cols: number;
  rows: number;
  /** When it began, in milliseconds since 1970. */
  beganAt: number;
  pieces: Piece[];
  /** Whether the end was not read. */
  isCut: boolean;
}

/** Reads a recording. Lines that are none are passed over: half a line at the end of a cut one is no reason to show nothing. */
export function castOf(text: string, isCut: boolean): Cast {
  const [head = "", ...lines] = text.split("\n");
  const { width, height, timestamp } = JSON.parse(head) as { width?: number; height?: number; timestamp?: number };
  const pieces: Piece[] = [];
  for (const line of lines) {
    if (line === "") continue;
    let piece: unknown;
    try {
      piece = JSON.parse(line);
    } catch {
      continue;
    }
    if (!Array.isArray(piece)) continue;
    const [time, kind, data] = piece as unknown[];
    if (typeof time !== "number" || typeof data !== "string" || (kind !== "o" && kind !== "r" && kind !== "m")) continue;
    pieces.push({ time: Math.max(time, pieces.at(-1)?.time ?? 0), kind, text: data });
  }
  return { cols: bounded(width, 80), rows: bounded(height, 24), beganAt: (timestamp ?? 0) * 1000, pieces, isCut };
}

/** A size that a terminal can have. */
export function sizeOf(text: string): { cols: number; rows: number } | undefined {
  const match = /^(\d{1,4})x(\d{1,4})$/.exec(text);
  return match ? { cols: bounded(Number(match[1]), 80), rows: bounded(Number(match[2]), 24) } : undefined;
}

const bounded = (value: number | undefined, otherwise: number): number => (value === undefined || !Number.isFinite(value) ? otherwise : Math.max(2, Math.min(1000, Math.round(value))));

/** When each piece is shown, in seconds: no pause is longer than `longest`. */
export function shownAt(pieces: readonly Piece[], longest: number): Float64Array {
  const times = new Float64Array(pieces.length);
  let before = 0;
  let shown = 0;
  pieces.forEach(({ time }, index) => {
    shown += Math.min(time - before, longest);
    before = time;
    times[index] = shown;
  });
  return times;
}

/** How many pieces have been shown by then. */
export function countAt(times: Float64Array, shown: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! <= shown) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The moment on the shown time that is nearest to a moment of the real one. */
export function shownMoment(pieces: readonly Piece[], times: Float64Array, real: number): number {
  const index = pieces.findLastIndex(({ time }) => time <= real);
  return index < 0 ? 0 : times[index]!;
}

/** What a piece prints, without what moves and colours. */
const CONTROL = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])|[\x00-\x08\x0b-\x1f\x7f]/g;
export const plainOf = (text: string): string => text.replace(CONTROL, "");

/** The piece in which text comes, after or before another one; -1 when it does not. */
export function find(pieces: readonly Piece[], wanted: string, from: number, backwards: boolean): number {
  const text = wanted.toLowerCase();
  if (text === "") return -1;
  const step = backwards ? -1 : 1;
  for (let index = from + step; index >= 0 && index < pieces.length; index += step) {
    const piece = pieces[index]!;
    if (piece.kind === "o" && plainOf(piece.text).toLowerCase().includes(text)) return index;
  }
  return -1;
}

// A unified diff, line by line.

export interface DiffLine {
  kind: "head" | "hunk" | "added" | "removed" | "same" | "note";
  text: string;
  /** Numbers in the file before and after. */
  before: number | undefined;
  after: number | undefined;
}

/** Lines that are shown at most. */
export const MAX_LINES = 5000;

export function linesOf(diff: string): DiffLine[] {
  const lines: DiffLine[] = [];
  let [before, after] = [0, 0];
  let isHead = true;
  for (const text of diff.split("\n")) {
    if (lines.length >= MAX_LINES) break;
    const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(text);
    if (text.startsWith("diff --git ")) isHead = true;
    if (hunk) {
      isHead = false;
      [before, after] = [Number(hunk[1]), Number(hunk[2])];
      lines.push({ kind: "hunk", text, before: undefined, after: undefined });
    } else if (isHead) {
      if (text !== "") lines.push({ kind: "head", text, before: undefined, after: undefined });
    } else if (text.startsWith("+")) lines.push({ kind: "added", text: text.slice(1), before: undefined, after: after++ });
    else if (text.startsWith("-")) lines.push({ kind: "removed", text: text.slice(1), before: before++, after: undefined });
    else if (text.startsWith(" ")) lines.push({ kind: "same", text: text.slice(1), before: before++, after: after++ });
    else if (text.startsWith("\\")) lines.push({ kind: "note", text: text.slice(2), before: undefined, after: undefined });
  }
  return lines;
}

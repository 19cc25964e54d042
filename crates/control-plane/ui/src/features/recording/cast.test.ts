import { expect, test } from "vitest";
import { castOf, countAt, find, plainOf, shownAt, shownMoment, sizeOf } from "./cast";

const text = ['{"version":2,"width":100,"height":30,"timestamp":10}', '[0.5,"o","one "]', '[1,"r","90x20"]', "", "garbled", '[2,"x","?"]', '[60,"o","\\u001b[1mtwo\\u001b[0m"]', '[61,"m","gap"]', '[62,"o","cut'].join("\n");

test("reads what is a recording, and passes over the rest", () => {
  const cast = castOf(text, true);
  expect(cast).toMatchObject({ cols: 100, rows: 30, beganAt: 10_000, isCut: true });
  expect(cast.pieces.map(({ kind }) => kind)).toEqual(["o", "r", "o", "m"]);
  expect(() => castOf("no recording", false)).toThrow();
  expect(sizeOf("90x20")).toEqual({ cols: 90, rows: 20 });
  expect(sizeOf("0x99999")).toBeUndefined();
});

test("pauses are as long as they may be", () => {
  const { pieces } = castOf(text, false);
  const times = shownAt(pieces, 2);
  expect([...times]).toEqual([0.5, 1, 3, 4]);
  expect([countAt(times, 0), countAt(times, 1), countAt(times, 9)]).toEqual([0, 2, 4]);
  expect(shownMoment(pieces, times, 30)).toBe(1);
  expect(shownMoment(pieces, times, 60.5)).toBe(3);
  expect(shownMoment(pieces, times, -5)).toBe(0);
});

test("finds what was printed, without its colours", () => {
  const { pieces } = castOf(text, false);
  expect(find(pieces, "TWO", -1, false)).toBe(2);
  expect(find(pieces, "one", 2, true)).toBe(0);
  expect(find(pieces, "", -1, false)).toBe(-1);
  expect(plainOf("\x1b]0;title\x07a\x1b[31mb\x1b[0m\r")).toBe("ab");
});

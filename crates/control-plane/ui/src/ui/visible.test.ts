import { expect, test } from "vitest";
import { visible } from "./visible";

test("each sign that cannot be seen has one that can in its place", () => {
  for (const range of [[0x202a, 0x202e], [0x2066, 0x2069], [0x200b, 0x200f], [0xe0000, 0xe007f], [0x80, 0x9f], [0xfe00, 0xfe0f]] as const)
    for (let code = range[0]; code <= range[1]; code++) expect(visible(`a${String.fromCodePoint(code)}b`), code.toString(16)).toBe("a\ufffdb");
  for (const hidden of ["\u061c", "\u2060", "\ufeff", "\u00ad", "\u2028", "\u2029", "\u3164", "\u2800", "\ud800"]) expect(visible(`a${hidden}b`), JSON.stringify(hidden)).toBe("a\ufffdb");
  expect(visible("\u202e\u202e")).toBe("\ufffd\ufffd");
});

test("controls are as terminals write them", () => expect(visible("\x00\x1b[31m\r\n\x7f\x08")).toBe("^@^[[31m^M\n^?^H"));

test("all else stays", () => {
  for (const text of ["if (a) {\n\treturn 1;\n}\n", "Prüfer e\u0301 日本 مراجع", "⚠\ufe0f ✔\ufe0e 1\ufe0f\u20e3 🇩🇪 👩🏽"]) expect(visible(text)).toBe(text);
  expect(visible("👩\u200d💻")).toBe("👩\ufffd💻");
});

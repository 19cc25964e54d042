import { expect, test } from "vitest";
import { withControl } from "./key-row";

test.each([
  ["c", "\x03"],
  ["C", "\x03"],
  ["[", "\x1b"],
  ["@", "\x00"],
  ["1", "1"],
  ["ä", "ä"],
  ["pasted", "pasted"],
])("Ctrl and %j", (text, typed) => expect(withControl(text)).toBe(typed));

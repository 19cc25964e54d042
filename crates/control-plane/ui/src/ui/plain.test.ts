import { expect, test } from "vitest";
import table from "../../../../api/src/text/plain.json";
import { isPlain, shown } from "./plain";

test("names are the same here as at the servers", () => {
  for (const text of table.plain) expect(isPlain(text), JSON.stringify(text)).toBe(true);
  for (const text of table.refused) expect(isPlain(text), JSON.stringify(text)).toBe(false);
  for (const text of table.refused) expect(isPlain(shown(text)), JSON.stringify(text)).toBe(true);
  expect(isPlain("\ud800")).toBe(false);
});

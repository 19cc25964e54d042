import { expect, test } from "vitest";
import { raisedTo } from "./budget";

test("a budget is doubled, to what any run may send, and not beyond", () => {
  expect(raisedTo({ sent: 80, most: 100 })).toBe(200);
  expect(raisedTo({ sent: 6000, most: 7000 })).toBe(10_000);
  expect(raisedTo({ sent: 9000, most: 9999 })).toBe(10_000);
  expect(raisedTo({ sent: 9000, most: 10_000 })).toBeUndefined();
  // A pattern that an earlier server took may have more.
  expect(raisedTo({ sent: 9000, most: 20_000 })).toBeUndefined();
});

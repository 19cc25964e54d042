import { expect, test } from "vitest";
import { listOf, variablesOf } from "./fields";

test("a list has no empty words", () => expect(listOf(" a, b,,")).toEqual(["a", "b"]));

test("a value keeps what is in it, and a line without = is none", () =>
  expect(variablesOf(["A=1=2 ", "", "# no", " B ="])).toEqual({ A: "1=2 ", B: "" }));

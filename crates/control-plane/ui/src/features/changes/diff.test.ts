import { expect, test } from "vitest";
import { MAX_LINES, linesOf } from "./diff";

test("a diff has its numbers, and a line that looks like a head is none within a hunk", () => {
  const lines = linesOf("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -3,3 +3,3 @@ fn\n same\n--- gone\n+++ come\n\\ No newline at end of file\n");
  expect(lines.map(({ kind }) => kind)).toEqual(["head", "head", "head", "hunk", "same", "removed", "added", "note"]);
  expect(lines[4]).toMatchObject({ before: 3, after: 3 });
  expect(lines[5]).toMatchObject({ text: "-- gone", before: 4 });
  expect(lines[6]).toMatchObject({ text: "++ come", after: 4 });
});

test("a long one is bounded", () => expect(linesOf("@@ -1 +1 @@\n" + "+x\n".repeat(MAX_LINES * 2))).toHaveLength(MAX_LINES));

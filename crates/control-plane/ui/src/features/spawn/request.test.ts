import { expect, test } from "vitest";
import { pairs, placeOf, presetOf, requestOf } from "./request";

const form = (fields: Record<string, string>): FormData => {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  return data;
};

test("what the form does not show stays as the preset has it, and what it shows counts", () => {
  const preset = { type: "claude", args: ["-v"], stallSeconds: 60, workdir: "/from/preset", model: "small", labels: { team: "core" } };
  const request = requestOf(form({ name: "one", type: "codex", approvals: "ask", place: "directory", workdir: "", labels: "team=web" }), preset);
  expect(request).toMatchObject({ name: "one", type: "codex", args: ["-v"], stallSeconds: 60, labels: { team: "web" } });
  // A field that was emptied is empty.
  expect(request.workdir).toBeUndefined();
  expect(request.model).toBeUndefined();
});

test("a repository takes the place of a directory", () => {
  const request = requestOf(form({ name: "one", type: "codex", place: "repository", repo: "/r", ref: "main", workdir: "/w" }), { workspace: { repo: "/old", keep: "always" } });
  expect(request.workspace).toEqual({ repo: "/r", ref: "main", keep: "always" });
  expect(request.workdir).toBeUndefined();
  expect(placeOf(request)).toBe("repository");
});

test("a preset has no name and nothing empty", () => {
  expect(presetOf({ name: "one", type: "codex", approvals: "ask", labels: {}, capabilities: [], env: { A: "1" } })).toEqual({ type: "codex", approvals: "ask", env: { A: "1" } });
  expect(pairs({ A: "1", B: "2=3" }, "\n")).toBe("A=1\nB=2=3");
});

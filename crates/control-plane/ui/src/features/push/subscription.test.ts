import { expect, test } from "vitest";
import { bytesOf, idOf, labelOf } from "./subscription";

test("the id is the one that the server has", async () => expect(await idOf("https://push.example/x")).toMatch(/^[0-9a-f]{24}$/));

test("a key in base64url", () => expect([...bytesOf("-_8")]).toEqual([251, 255]));

test("browsers have the names that people have for them", () => {
  expect(labelOf("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1")).toBe("Safari on iPhone");
  expect(labelOf("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36")).toBe("Chrome on Android");
  expect(labelOf("curl")).toBe("Browser");
});

import { expect, test } from "vitest";
import { MAX_IMAGE_BYTES, asInput, excess, isImage } from "./images";

test("images are what models take", () => {
  expect(["image/png", "image/jpeg", "image/gif", "image/webp"].every((type) => isImage({ type }))).toBe(true);
  expect(["image/svg+xml", "image/tiff", "text/plain", ""].some((type) => isImage({ type }))).toBe(false);
});

test("they are bounded", () => {
  expect(excess([{ size: MAX_IMAGE_BYTES }])).toBeUndefined();
  expect(excess([{ size: MAX_IMAGE_BYTES }, { size: 1 }])).toContain("5 MiB");
  expect(excess(Array.from({ length: 9 }, () => ({ size: 1 })))).toContain("8 images");
});

test("they are sent without the head of their address", () => {
  const file = { name: "shot.png", type: "image/png" };
  expect(asInput({ file, address: "data:image/png;base64,iVBORw0K" })).toEqual({ mediaType: "image/png", data: "iVBORw0K", name: "shot.png" });
  expect(asInput({ file: { ...file, name: "" }, address: "data:image/png;base64,AA==" })).toEqual({ mediaType: "image/png", data: "AA==" });
});

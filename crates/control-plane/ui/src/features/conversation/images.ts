// Images that go with a message: the model is shown them. Everything else that is attached is a file for the agent.

import type { ImageInput } from "../../api/types";

/** The kinds of images that models take. */
const TYPES: readonly string[] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
/** Images of one message at most. */
export const MAX_IMAGES = 8;
/** Bytes of the images of one message together. */
export const MAX_IMAGE_BYTES = 5 * 1024 * 1024;

/** An image that waits to be sent, and its address for a preview: the policy of the page allows no other. */
export interface PendingImage {
  key: number;
  file: File;
  address: string;
}

let lastKey = 0;

export const isImage = (file: { type: string }): boolean => TYPES.includes(file.type);

/** Why these images are too much for one message; undefined when they are not. */
export function excess(files: readonly { size: number }[]): string | undefined {
  if (files.length > MAX_IMAGES) return `A message takes at most ${MAX_IMAGES} images.`;
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  return bytes > MAX_IMAGE_BYTES ? "The images of a message have at most 5 MiB together." : undefined;
}

/** Reads an image, to be looked at and sent. */
export function readImage(file: File): Promise<PendingImage> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve({ key: ++lastKey, file, address: String(reader.result) });
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}

/** The image as the API takes it. */
export function asInput({ file, address }: { file: { name: string; type: string }; address: string }): ImageInput {
  const data = address.slice(address.indexOf(",") + 1);
  return { mediaType: file.type as ImageInput["mediaType"], data, ...(file.name === "" ? {} : { name: file.name }) };
}

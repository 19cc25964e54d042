// Images that go with a message: pasted, dropped, chosen, removed, sent.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { DESK, PHONE, api, giveFiles, inBrowser, is, open, spawnFake, until } from "./kit.mjs";

const picture = (name) => readFileSync(new URL(`../../kit/pictures/${name}`, import.meta.url));
const [png, jpeg] = [picture("shot.png"), picture("photo.jpg")];

await inBrowser(async (browser) => {
  const id = await spawnFake("looker");
  const page = await open(await browser(DESK), `/agents/${id}`);
  const box = page.getByLabel("Message", { exact: true });
  await box.waitFor();
  const previews = page.getByRole("list", { name: "Images to send" }).getByRole("img");

  // What is pasted and dropped stands there until it is sent, and can be removed; a file that is no image is put into the directory.
  await giveFiles(box, "paste", [{ name: "shot.png", type: "image/png", bytes: [...png] }]);
  await page.getByRole("img", { name: "shot.png" }).waitFor();
  assert.ok(await previews.first().evaluate((image) => image.decode().then(() => image.naturalWidth === 24)), "it is shown");
  await giveFiles(box, "drop", [
    { name: "wrong.png", type: "image/png", bytes: [...png] },
    { name: "photo.jpg", type: "image/jpeg", bytes: [...jpeg] },
    { name: "notes.txt", type: "text/plain", bytes: [104, 105] },
  ]);
  await until("three images", async () => is(await previews.count(), 3));
  await until("the file to be named", async () => (/attached-\d+-notes\.txt $/.test(await box.inputValue()) ? true : box.inputValue()));
  await page.getByRole("button", { name: "Remove wrong.png" }).click();
  await until("two images", async () => is(await previews.count(), 2));

  await box.fill("what are these?");
  await box.press("Enter");
  await page.locator(".message.agent", { hasText: `[Image #1, ${png.length} bytes][Image #2, ${jpeg.length} bytes]what are these?` }).waitFor();
  assert.equal(await previews.count(), 0, "they are sent once");
  const own = page.locator(".message.user", { hasText: "what are these?" });
  assert.deepEqual(await own.getByRole("listitem").allInnerTexts(), ["shot.png · image/png · 2 KiB", "photo.jpg · image/jpeg · 1 KiB"]);
  const [message] = (await api("GET", `/managed-agents/${id}/messages`)).messages;
  assert.deepEqual(message.images, [
    { name: "shot.png", mediaType: "image/png", size: png.length },
    { name: "photo.jpg", mediaType: "image/jpeg", size: jpeg.length },
  ]);

  // More than a message takes is said at once.
  await giveFiles(box, "paste", Array.from({ length: 9 }, (_, number) => ({ name: `${number}.png`, type: "image/png", bytes: [...png] })));
  await page.getByText("A message takes at most 8 images.").first().waitFor();
  assert.equal(await previews.count(), 0);

  // An agent that takes none has them as files.
  const blind = await spawnFake("blind", { type: "blind" });
  await page.goto(new URL(`#/agents/${blind}`, page.url()).href);
  await page.getByRole("heading", { name: "blind" }).waitFor();
  await page.getByLabel("Attach files").setInputFiles({ name: "shot.png", mimeType: "image/png", buffer: png });
  await page.getByRole("img", { name: "shot.png" }).waitFor();
  await box.fill("ls");
  await box.press("Enter");
  await page.getByText("This agent takes no images").first().waitFor();
  await until("the file to be named", async () => (/^ls \S+attached-\d+-shot\.png $/.test(await box.inputValue()) ? true : box.inputValue()));

  // On a phone, too.
  const phone = await open(await browser(PHONE), `/agents/${id}?view=conversation`);
  const small = phone.getByLabel("Message", { exact: true });
  await small.waitFor();
  await phone.getByLabel("Attach files").setInputFiles({ name: "shot.png", mimeType: "image/png", buffer: png });
  await phone.getByRole("button", { name: "Remove shot.png" }).tap();
  await until("no image", async () => is(await phone.getByRole("list", { name: "Images to send" }).count(), 0));
});

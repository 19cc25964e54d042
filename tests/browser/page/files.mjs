// Files that are given to a terminal: dropped, pasted, chosen. They are in the agent's directory, and their paths are typed.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DESK, PHONE, agent, api, giveFiles, inBrowser, is, open, screenOf, spawnFake, tell, until, url } from "./kit.mjs";

const png = readFileSync(new URL("../../kit/pictures/shot.png", import.meta.url));
const notes = { name: "my notes.txt", type: "text/plain", bytes: [...Buffer.from("some notes")] };

await inBrowser(async (browser) => {
  const id = await spawnFake("taker");
  const { id: shell } = await api("POST", "/managed-agents", { name: "a-shell", type: "shell" });
  const { workdir } = await api("GET", `/managed-agents/${id}`);
  // Without blanks: a composer breaks its lines where it likes.
  const typed = async (id) => (await screenOf(id)).lines.join("").replace(/\s/g, "");
  const read = async (id, name) => Buffer.from(await (await fetch(`${url}/api/managed-agents/${id}/files/${name}`)).arrayBuffer());
  const page = await open(await browser(DESK), `/agents/${id}`);
  const terminal = page.locator(".terminal-screen");
  await page.locator(".terminal-note").waitFor({ state: "detached" });

  // Dropped: what is held over it is seen, what was dropped is there. A name leads nowhere and stays one word.
  await terminal.evaluate((element) => {
    const held = new DataTransfer();
    held.items.add(new File(["x"], "x.txt"));
    element.dispatchEvent(new DragEvent("dragover", { dataTransfer: held, bubbles: true, cancelable: true }));
  });
  await page.locator(".terminal.is-drop-target").waitFor();
  await giveFiles(terminal, "drop", [{ ...notes, name: "../my notes.txt" }]);
  await until("its path", async () => (/attached-\d+-my-notes\.txt/.test(await typed(id)) ? true : typed(id)));
  assert.equal(await page.locator(".is-drop-target").count(), 0);
  const [name] = /attached-\d+-my-notes\.txt/.exec(await typed(id));
  assert.ok((await typed(id)).includes(`${workdir}/${name}`));
  assert.equal((await read(id, name)).toString(), "some notes");

  // An image is one for CLIs that take images: theirs is the chip. Pasted with text beside it, the text is meant.
  await page.locator(".xterm-helper-textarea").focus();
  await giveFiles(page.locator(".xterm-helper-textarea"), "paste", [{ name: "shot.png", type: "image/png", bytes: [...png] }]);
  await until("the image", async () => ((await typed(id)).includes(`[Image#1,${png.length}bytes]`) ? true : typed(id)));
  await page.locator(".xterm-helper-textarea").evaluate((element) => {
    const both = new DataTransfer();
    both.setData("text/plain", "only words");
    both.items.add(new File([new Uint8Array([1])], "cells.png", { type: "image/png" }));
    element.dispatchEvent(new ClipboardEvent("paste", { clipboardData: both, bubbles: true, cancelable: true }));
  });
  await until("the words", async () => ((await typed(id)).includes("onlywords") ? true : typed(id)));
  assert.ok(!(await typed(id)).includes("cells"));

  // One that is too large is said, and nothing is typed.
  const before = await typed(id);
  await terminal.evaluate((element) => {
    const large = new DataTransfer();
    large.items.add(new File([new Uint8Array(8 * 1024 * 1024 + 1)], "large.bin"));
    element.dispatchEvent(new DragEvent("drop", { dataTransfer: large, bubbles: true, cancelable: true }));
  });
  await page.getByText("large.bin is larger than 8 MiB.").first().waitFor();
  assert.equal(await typed(id), before);

  // A dialog that comes up while a file is sent is not answered by its path; with one there, none is sent.
  const during = async (happens) => {
    let isHeld = false;
    let release;
    const released = new Promise((resolve) => (release = resolve));
    await page.route("**/files/**", async (route) => {
      isHeld = true;
      await released;
      await route.continue();
    });
    await giveFiles(terminal, "drop", [notes]);
    await until("it to be sent", () => (isHeld ? true : page.locator(".toast").allInnerTexts()));
    await happens();
    release();
  };
  const answer = async () => {
    const { attention } = await agent(id);
    await api("POST", `/managed-agents/${id}/answer`, { attentionId: attention.id, option: attention.options[0].id });
    await until("it to be ready", async () => is((await agent(id)).status, "ready"));
    await until("the page to know", async () => is(await page.locator("main .attention").count(), 0));
  };
  await page.keyboard.press("Control+c");
  await tell(id, "do ask rm -rf build && say asked");
  await until("a question", async () => is((await agent(id)).attention !== undefined, true));
  await page.locator("main .attention").waitFor();
  await giveFiles(terminal, "drop", [notes]);
  await page.getByText("The agent asks something: it takes no files.").first().waitFor();
  await answer();
  await during(async () => {
    await tell(id, "do ask touch x && say asked again");
    await until("a question", async () => is((await agent(id)).attention !== undefined, true));
  });
  await page.getByText(/The path was not typed: the agent asks something by now/).first().waitFor();
  await page.unroute("**/files/**");
  assert.notEqual((await agent(id)).attention, undefined, "it still asks");
  assert.ok(!(await typed(id)).includes("attached-"), await typed(id));
  await answer();

  // Nor is it typed into another terminal than the one it was given to.
  await during(async () => {
    await page.getByLabel("Watch only").check();
    await page.locator(".terminal-note").waitFor({ state: "detached" });
  });
  await page.getByText(/The path was not typed: the terminal that it was for is closed/).first().waitFor();
  await page.unroute("**/files/**");
  assert.ok(!(await typed(id)).includes("attached-"), await typed(id));
  await page.getByLabel("Watch only").uncheck();
  await page.locator(".terminal-note").waitFor({ state: "detached" });

  // A directory whose name has a line break in it: its path would be entered.
  const odd = join(workdir, "odd\ndirectory");
  mkdirSync(odd);
  const lost = await spawnFake("lost", { workdir: odd });
  const other = await open(page.context(), `/agents/${lost}`);
  await other.locator(".terminal-note").waitFor({ state: "detached" });
  await giveFiles(other.locator(".terminal-screen"), "drop", [notes]);
  await other.getByText(/control or cannot be seen, so it was not typed/).first().waitFor();
  assert.ok(!(await typed(lost)).includes("attached-"), await typed(lost));
  await other.close();

  // Who only watches gives nothing; a drop beside it all leaves the page where it is.
  const asWas = await typed(id);
  await page.getByLabel("Watch only").check();
  await giveFiles(terminal, "drop", [notes]);
  await page.getByText("This terminal is only watched: it takes no files.").first().waitFor();
  assert.equal(await page.getByLabel("Files for the terminal").count(), 0);
  const taken = await page.locator("h1").first().evaluate((element) => {
    const stray = new DataTransfer();
    stray.items.add(new File(["x"], "stray.txt"));
    return !element.dispatchEvent(new DragEvent("drop", { dataTransfer: stray, bubbles: true, cancelable: true }));
  });
  assert.ok(taken, "the browser does not open what is dropped beside");
  assert.equal(await typed(id), asWas);

  // Dropped beside the box, onto the messages, it belongs to the message.
  await giveFiles(page.locator(".messages"), "drop", [notes]);
  const box = page.getByLabel("Message", { exact: true });
  await until("the message to name it", async () => (/attached-\d+-my-notes\.txt $/.test(await box.inputValue()) ? true : box.inputValue()));

  // In the grid the file goes to the terminal that it was dropped on.
  await page.goto(new URL(`#/terminals?ids=${encodeURIComponent(`${id},${shell}`)}`, page.url()).href);
  const cell = page.locator(".terminal-cell", { hasText: "a-shell" });
  await cell.locator(".xterm").waitFor();
  await cell.locator(".terminal-note").waitFor({ state: "detached" });
  await giveFiles(cell.locator(".terminal-screen"), "drop", [notes]);
  await until("the shell to have it", async () => (/attached-\d+-my-notes\.txt/.test(await typed(shell)) ? true : typed(shell)));
  assert.equal(await typed(id), asWas);

  // On a phone they are chosen. A shell has the path as one word.
  const phone = await open(await browser(PHONE), `/agents/${shell}?view=terminal`);
  await phone.locator(".terminal-note").waitFor({ state: "detached" });
  await phone.locator(".xterm-helper-textarea").focus();
  await phone.keyboard.press("Control+u");
  await phone.keyboard.type("cat ");
  await phone.getByLabel("Files for the terminal").setInputFiles({ name: "a (2).txt", mimeType: "text/plain", buffer: Buffer.from("read by a shell") });
  await until("its path", async () => (/cat.*attached-\d+-a-2-\.txt/.test(await typed(shell)) ? true : typed(shell)));
  await phone.getByRole("toolbar", { name: "Keys" }).getByRole("button", { name: "Enter" }).tap();
  await until("it to be read", async () => ((await screenOf(shell)).lines.some((line) => line.trim() === "read by a shell") ? true : typed(shell)));
  assert.deepEqual((await screenOf(shell)).size, { cols: 120, rows: 40 }, "looking resizes nothing");
  await until("nothing to be left on its way", async () => is(await phone.getByText("Attaching …").count(), 0));
});

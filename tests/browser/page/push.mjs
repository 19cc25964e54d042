// Web Push: a push service of this machine, a browser's keys, and what is read with them (RFC 8291, by Node's own cryptography).
import assert from "node:assert/strict";
import { createDecipheriv, createECDH, createHash, createPublicKey, hkdfSync, randomBytes, verify } from "node:crypto";
import { createServer } from "node:http";
import { DESK, agent, api, inBrowser, is, open, spawnFake, tell, until, url } from "./kit.mjs";

const base64 = (bytes) => Buffer.from(bytes).toString("base64url");

/** A browser: its keys, and what it can read. */
function device(endpoint) {
  const keys = createECDH("prime256v1");
  keys.generateKeys();
  const auth = randomBytes(16);
  const read = (body) => {
    const [salt, size, length] = [body.subarray(0, 16), body.readUInt32BE(16), body[20]];
    assert.ok(body.length <= size, "one record");
    const sender = body.subarray(21, 21 + length);
    const shared = keys.computeSecret(sender);
    const derive = (secret, salt, info, bytes) => Buffer.from(hkdfSync("sha256", secret, salt, info, bytes));
    const input = derive(shared, auth, Buffer.concat([Buffer.from("WebPush: info\0"), keys.getPublicKey(), sender]), 32);
    const key = derive(input, salt, "Content-Encoding: aes128gcm\0", 16);
    const nonce = derive(input, salt, "Content-Encoding: nonce\0", 12);
    const sealed = body.subarray(21 + length);
    const decipher = createDecipheriv("aes-128-gcm", key, nonce);
    decipher.setAuthTag(sealed.subarray(-16));
    const text = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
    const end = text.findLastIndex((byte) => byte !== 0);
    assert.equal(text[end], 2, "the last record");
    return JSON.parse(text.subarray(0, end).toString());
  };
  return { endpoint, keys: { p256dh: base64(keys.getPublicKey()), auth: base64(auth) }, read };
}

const got = new Map();
let answer = 201;
const service = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const known = got.get(request.url) ?? [];
    got.set(request.url, [...known, { headers: request.headers, method: request.method, body: Buffer.concat(parts) }]);
    response.writeHead(request.url === "/gone" ? 410 : answer).end();
  });
});
await new Promise((listening) => service.listen(0, "127.0.0.1", listening));
const at = (path) => `http://127.0.0.1:${service.address().port}${path}`;
const heard = (path) => got.get(path) ?? [];
const subscribe = ({ endpoint, keys }, more = {}) => api("POST", "/push/devices", { endpoint, keys, ...more });
const nth = async (path, count) => {
  await until(`message ${count} at ${path}`, () => is(heard(path).length >= count, true));
  return heard(path)[count - 1];
};

try {
  await inBrowser(async (browser) => {
    const phone = device(at("/phone"));
    const watch = device(at("/watch"));
    const { publicKey } = await api("GET", "/push");
    const { id } = await subscribe(phone, { label: "my phone" });
    assert.equal((await subscribe(phone, { label: "my phone" })).id, id, "the same endpoint is the same device");
    await subscribe(watch, { muted: true });
    await subscribe(device(at("/gone")));
    assert.equal((await api("GET", "/push")).devices.length, 3);

    // Endpoints come from clients: none may lead the server elsewhere.
    for (const endpoint of ["http://10.0.0.1/x", "https://localhost/x", "https://169.254.169.254/latest", "file:///etc/passwd", "https://u:p@push.example.com/", "https://push.example.com:22/", "x"]) {
      const response = await fetch(`${url}/api/push/devices`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ endpoint, keys: phone.keys }) });
      assert.equal(response.status, 400, endpoint);
      assert.equal((await response.json()).field, "endpoint");
    }
    const bad = await fetch(`${url}/api/push/devices`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ endpoint: at("/x"), keys: { p256dh: base64(Buffer.alloc(65, 4)), auth: phone.keys.auth } }) });
    assert.equal((await bad.json()).field, "keys");

    // Somebody waits: one message, which says how many and nothing else.
    const asker = await spawnFake("asker");
    await tell(asker, "do ask about a secret thing");
    const first = await nth("/phone", 1);
    assert.deepEqual(phone.read(first.body), { waiting: 1, new: true });
    assert.throws(() => watch.read(first.body), "nobody else can read it");
    assert.ok(!first.body.includes("secret"));
    const { headers } = first;
    assert.deepEqual([first.method, headers["content-encoding"], headers.urgency, Number(headers.ttl) > 0, headers.topic], ["POST", "aes128gcm", "high", true, "parallax-waiting"]);
    const [, token, key] = /^vapid t=([^,]+), k=(.+)$/.exec(headers.authorization);
    assert.equal(key, publicKey);
    const [head, claims, signature] = token.split(".");
    const point = Buffer.from(publicKey, "base64url");
    const jwk = { kty: "EC", crv: "P-256", x: base64(point.subarray(1, 33)), y: base64(point.subarray(33)) };
    assert.ok(verify("sha256", Buffer.from(`${head}.${claims}`), { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "base64url")));
    const said = JSON.parse(Buffer.from(claims, "base64url"));
    assert.equal(said.aud, at(""));
    assert.ok(said.exp > Date.now() / 1000 && said.exp < Date.now() / 1000 + 24 * 3600);

    // A device that was given up is forgotten, a muted one hears nothing.
    await until("the ended subscription to go", async () => is((await api("GET", "/push")).devices.length, 2));
    assert.equal(heard("/watch").length, 0);

    // A service that fails gets the newest state once it is back.
    answer = 503;
    const second = await spawnFake("second");
    await tell(second, "do ask again");
    await nth("/phone", 2);
    await until("why it failed", async () => is((await api("GET", "/push")).devices.find((device) => device.id === id).failure !== undefined, true));
    answer = 201;
    const before = heard("/phone").length;
    const again = await nth("/phone", before + 1);
    assert.deepEqual(phone.read(again.body), { waiting: 2, new: true });
    assert.equal(again.body.length, first.body.length, "the length says nothing");

    // Answered, it is withdrawn.
    await subscribe(watch, { muted: false });
    for (const asking of [asker, second]) await api("POST", `/managed-agents/${asking}/answer`, { attentionId: (await agent(asking)).attention.id, option: "yes" });
    await until("it to be withdrawn", () => {
      const last = heard("/phone").at(-1);
      return is(phone.read(last.body).waiting, 0);
    });
    assert.equal(phone.read(heard("/phone").at(-1).body).new, false);
    await until("the other device to hear it", () => is(heard("/watch").length > 0 && watch.read(heard("/watch").at(-1).body).waiting, 0));

    // The page subscribes, mutes and removes its browser. No push service of the world can be reached from a test, so the browser's is this one.
    const own = device(at("/browser"));
    const context = await browser(DESK, { permissions: ["notifications"] });
    await context.addInitScript(([endpoint, keys]) => {
      let standing = null;
      const subscription = (key) => ({ endpoint, options: { applicationServerKey: key }, toJSON: () => ({ endpoint, keys }), unsubscribe: async () => ((standing = null), true) });
      PushManager.prototype.subscribe = async ({ applicationServerKey }) => (standing = subscription(applicationServerKey.buffer));
      PushManager.prototype.getSubscription = async () => standing;
    }, [own.endpoint, own.keys]);
    const page = await open(context, "/more");
    await page.getByRole("button", { name: "Tell this device" }).click();
    const row = page.locator(".row", { hasText: "this device" });
    await row.waitFor();
    await tell(asker, "do ask a third time");
    assert.deepEqual(own.read((await nth("/browser", 1)).body), { waiting: 1, new: true });
    await row.getByRole("button", { name: "Mute" }).click();
    await row.getByText("muted").waitFor();
    const muted = heard("/browser").length;
    await api("POST", `/managed-agents/${asker}/answer`, { attentionId: (await agent(asker)).attention.id, option: "yes" });
    await until("the others to hear of it", () => is(phone.read(heard("/phone").at(-1).body).waiting, 0));
    assert.equal(heard("/browser").length, muted);
    await row.getByRole("button", { name: "Remove" }).click();
    await page.getByRole("button", { name: "Tell this device" }).waitFor();
    const hash = createHash("sha256").update(own.endpoint).digest("hex").slice(0, 24);
    assert.ok((await api("GET", "/push")).devices.every((device) => device.id !== hash));

    // The service worker shows how many wait, and takes it back.
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    const client = await context.newCDPSession(page);
    const registered = new Promise((found) => client.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => registrations[0] && found(registrations[0].registrationId)));
    await client.send("ServiceWorker.enable");
    const registrationId = await registered;
    const deliver = (news) => client.send("ServiceWorker.deliverPushMessage", { origin: new URL(url).origin, registrationId, data: JSON.stringify(news) });
    const titles = () => page.evaluate(async () => (await (await navigator.serviceWorker.ready).getNotifications()).map(({ title }) => title));
    const away = async (...news) => {
      await page.goto("about:blank");
      for (const one of news) await deliver(one);
      await page.goto(`${url}/#/more`);
    };
    const shows = (...wanted) => until(`${wanted} to be shown`, async () => is(JSON.stringify(await titles()), JSON.stringify(wanted)));
    // While the page is looked at nothing is shown over it.
    await deliver({ waiting: 5, new: true });
    await away({ waiting: 2, new: true });
    await shows("2 wait for you");
    await away({ waiting: 1, new: false });
    await shows("Somebody waits for you");
    await away({ waiting: 0, new: false });
    await shows();
  });
} finally {
  service.closeAllConnections();
  service.close();
}

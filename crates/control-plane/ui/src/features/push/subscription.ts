// The subscription of this browser: asked for, told to the server, ended.

import { deleteDevice, getPush, putDevice } from "../../api/push";
import type { PushDevice, PushSubscriptionRequest } from "../../api/types";

/** Why this browser cannot be told, if so. */
export function whyNot(): string | undefined {
  if (!window.isSecureContext) return "A browser takes messages for pages with TLS only (https), or of this machine.";
  if (!("serviceWorker" in navigator) || !("PushManager" in window)) return "This browser cannot. On an iPhone or iPad, put the page on the home screen first, and open it from there.";
  if (Notification.permission === "denied") return "This browser was told to show no notifications of this page. Its settings of the page change that.";
  return undefined;
}

/** The service worker, which hears messages while no page is open. */
export function registerWorker(): void {
  if (!("serviceWorker" in navigator)) return;
  navigator.serviceWorker.register("/sw.js").catch(() => undefined);
  navigator.serviceWorker.addEventListener("message", ({ data }: MessageEvent<{ go?: string }>) => {
    if (data?.go === "/inbox") location.hash = "#/inbox";
  });
}

/** The subscription that stands, and the id that the server has for it. */
export async function ownSubscription(): Promise<{ subscription: PushSubscription; id: string } | undefined> {
  const registration = await navigator.serviceWorker?.getRegistration();
  const subscription = await registration?.pushManager?.getSubscription();
  return subscription ? { subscription, id: await idOf(subscription.endpoint) } : undefined;
}

/** Subscribes, and tells the server. The browser asks the person the first time. */
export async function subscribe(): Promise<PushDevice> {
  if ((await Notification.requestPermission()) !== "granted") throw new Error("The browser does not allow notifications of this page.");
  const registration = await navigator.serviceWorker.ready;
  const { publicKey } = await getPush();
  const key = bytesOf(publicKey);
  const before = await registration.pushManager.getSubscription();
  // Made for another key of the server: messages with this one would be refused.
  if (before && !isSame(before.options.applicationServerKey, key)) await before.unsubscribe();
  const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  return putDevice(requestOf(subscription, false));
}

export const mute = (subscription: PushSubscription, muted: boolean): Promise<PushDevice> => putDevice(requestOf(subscription, muted));

/** The server first: what it does not know any more gets no messages. */
export async function unsubscribe({ subscription, id }: { subscription: PushSubscription; id: string }, isKnown: boolean): Promise<void> {
  if (isKnown) await deleteDevice(id);
  await subscription.unsubscribe();
}

function requestOf(subscription: PushSubscription, muted: boolean): PushSubscriptionRequest {
  const { endpoint, keys } = subscription.toJSON();
  return { endpoint: endpoint ?? subscription.endpoint, keys: { p256dh: keys?.["p256dh"] ?? "", auth: keys?.["auth"] ?? "" }, label: labelOf(navigator.userAgent), muted };
}

/** What people call a browser. */
export function labelOf(agent: string): string {
  const named = (names: [RegExp, string][]): string | undefined => names.find(([pattern]) => pattern.test(agent))?.[1];
  const browser = named([[/Edg\//, "Edge"], [/Firefox\//, "Firefox"], [/Chrom(e|ium)\//, "Chrome"], [/Safari\//, "Safari"]]) ?? "Browser";
  const system = named([[/iPhone/, "iPhone"], [/iPad/, "iPad"], [/Android/, "Android"], [/Windows/, "Windows"], [/Mac OS/, "Mac"], [/Linux/, "Linux"]]);
  return system ? `${browser} on ${system}` : browser;
}

/** The server's id of an endpoint: the beginning of its SHA-256. */
export async function idOf(endpoint: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint));
  return [...new Uint8Array(digest).slice(0, 12)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
}

const isSame = (one: ArrayBuffer | null, other: Uint8Array): boolean => one !== null && new Uint8Array(one).join() === other.join();

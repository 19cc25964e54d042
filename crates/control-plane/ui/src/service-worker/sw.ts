// Tells of who waits while no page is open. It keeps nothing: without its server the page has nothing to show.

declare const self: ServiceWorkerGlobalScope;

/** The one notification: how many wait. A later one takes its place. */
const TAG = "waiting";
const INBOX = "/#/inbox";

/** What the server says: a number, and whether somebody began to wait. */
interface News {
  waiting: number;
  new: boolean;
}

self.addEventListener("install", () => void self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(tell(newsOf(event.data))));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openInbox());
});

function newsOf(data: PushMessageData | null): News {
  try {
    const { waiting, new: isNew } = (data?.json() ?? {}) as Partial<News>;
    return { waiting: Number.isSafeInteger(waiting) ? waiting! : 0, new: isNew === true };
  } catch {
    return { waiting: 0, new: false };
  }
}

async function tell(news: News): Promise<void> {
  const shown = await self.registration.getNotifications({ tag: TAG });
  if (news.waiting <= 0) {
    // Everything is answered: what was said counts no more.
    for (const notification of shown) notification.close();
    return;
  }
  const pages = await self.clients.matchAll({ type: "window" });
  if (pages.some(({ visibilityState }) => visibilityState === "visible")) return;
  // An answer changes the number, and is no news.
  if (!news.new && shown.length === 0) return;
  const options: NotificationOptions & { renotify: boolean } = { tag: TAG, renotify: news.new, silent: !news.new, icon: "/assets/icon-192.png", badge: "/assets/icon-192.png" };
  await self.registration.showNotification(news.waiting === 1 ? "Somebody waits for you" : `${news.waiting} wait for you`, options);
}

async function openInbox(): Promise<void> {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const [page] = pages;
  if (!page) {
    await self.clients.openWindow(INBOX);
    return;
  }
  await page.focus();
  page.postMessage({ go: "/inbox" });
}

export {};

// The token of the person: kept for the browser's session, and handed to other tabs of it that ask.

const KEY = "parallax.token";
/** Set over the reload that follows signing out. */
const LEFT = "parallax.left";
/** How long a new tab waits for one that has the token, in milliseconds. */
const OTHER_TABS_MS = 150;

const tabs = new BroadcastChannel("parallax.token");
tabs.onmessage = ({ data }: MessageEvent<{ wants?: true; token?: string; forget?: true }>) => {
  if (data.forget) return leave();
  const mine = token();
  if (data.wants && mine) tabs.postMessage({ token: mine });
};

/** The token, if there is one. */
export const token = (): string | undefined => sessionStorage.getItem(KEY) ?? undefined;

const listeners = new Set<() => void>();

/** Keeps a token. */
export function keepToken(value: string): void {
  sessionStorage.setItem(KEY, value);
  for (const listener of listeners) listener();
}

/** Forgets the token in every tab, and begins anew in each. */
export function signOut(): void {
  tabs.postMessage({ forget: true });
  leave();
}

let isLeaving = false;

function leave(): void {
  isLeaving = true;
  sessionStorage.removeItem(KEY);
  sessionStorage.setItem(LEFT, "");
  location.reload();
}

/** Calls when there is another token; gives what ends that. */
export function onToken(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The token that another tab of this browser has. Not right after signing out: one that has not heard of that yet would give it back. */
export async function tokenOfAnotherTab(): Promise<string | undefined> {
  // This page is about to go: what it still asks for waits for nothing.
  if (isLeaving) return new Promise(() => undefined);
  const hasJustLeft = sessionStorage.getItem(LEFT) !== null;
  sessionStorage.removeItem(LEFT);
  if (hasJustLeft) return undefined;
  return new Promise((told) => {
    const line = new BroadcastChannel("parallax.token");
    const done = (value?: string): void => {
      line.close();
      told(value);
    };
    line.onmessage = ({ data }: MessageEvent<{ token?: string }>) => {
      if (data.token) done(data.token);
    };
    line.postMessage({ wants: true });
    setTimeout(done, OTHER_TABS_MS);
  });
}

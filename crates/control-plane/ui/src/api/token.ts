// The token of the person: kept for the browser's session, and handed to other tabs of it that ask.

const KEY = "parallax.token";
/** How long a new tab waits for one that has the token, in milliseconds. */
const OTHER_TABS_MS = 150;

const tabs = new BroadcastChannel("parallax.token");
tabs.onmessage = ({ data }: MessageEvent<{ wants?: true; token?: string }>) => {
  const mine = token();
  if (data.wants && mine) tabs.postMessage({ token: mine });
};

/** The token, if there is one. */
export const token = (): string | undefined => sessionStorage.getItem(KEY) ?? undefined;

const listeners = new Set<() => void>();

/** Keeps a token; without one, forgets it. */
export function keepToken(value: string | undefined): void {
  if (value === undefined) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, value);
  for (const listener of listeners) listener();
}

/** Calls when there is another token; gives what ends that. */
export function onToken(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The token that another tab of this browser has. */
export function tokenOfAnotherTab(): Promise<string | undefined> {
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

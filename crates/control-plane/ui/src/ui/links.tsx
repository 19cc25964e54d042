// Links out of the page.

import { visible } from "./visible";

/** Text from agents may be any text, so only web addresses become links. */
export function WebLink({ url }: { url: string }) {
  return /^https?:\/\//i.test(url) ? (
    <a href={url} target="_blank" rel="noopener noreferrer">
      {visible(url)}
    </a>
  ) : (
    <code>{visible(url)}</code>
  );
}

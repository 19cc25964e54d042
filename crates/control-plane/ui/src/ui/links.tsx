// Links out of the page.

/** Text from agents may be any text, so only web addresses become links. */
export function WebLink({ url }: { url: string }) {
  return /^https?:\/\//i.test(url) ? (
    <a href={url} target="_blank" rel="noopener noreferrer">
      {url}
    </a>
  ) : (
    <code>{url}</code>
  );
}

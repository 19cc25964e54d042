// How many wait, where a person sees it without looking at the page: in its title and its icon.

import { useEffect } from "react";

/** The icon; with a dot while somebody waits. */
const icon = (isWaiting: boolean): string =>
  `data:image/svg+xml,${encodeURIComponent(
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>" +
      "<path d='M2 12 8 3l6 9z' fill='none' stroke='#5b6cf0' stroke-width='2' stroke-linejoin='round'/>" +
      "<path d='m5 14 6 0' stroke='#5b6cf0' stroke-width='2' stroke-linecap='round'/>" +
      (isWaiting ? "<circle cx='12' cy='4' r='4' fill='#e5484d'/>" : "") +
      "</svg>",
  )}`;

export function useTitle(page: string | undefined, waiting: number): void {
  const isWaiting = waiting > 0;
  useEffect(() => {
    document.title = `${isWaiting ? `(${waiting}) ` : ""}${page === undefined ? "" : `${page} · `}Parallax`;
  }, [page, waiting, isWaiting]);
  useEffect(() => {
    document.querySelector<HTMLLinkElement>("link[rel=icon]")?.setAttribute("href", icon(isWaiting));
  }, [isWaiting]);
}

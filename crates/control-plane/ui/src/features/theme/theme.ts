// Light, dark, or as the system has it.

import { useSyncExternalStore } from "react";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "parallax.theme";
const listeners = new Set<() => void>();
const kept = localStorage.getItem(KEY);
let theme: Theme = THEMES.find((known) => known === kept) ?? "system";
show();

/** The style sheet takes it from there. */
function show(): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

export function setTheme(next: Theme): void {
  theme = next;
  localStorage.setItem(KEY, next);
  show();
  for (const listener of listeners) listener();
}

export const useTheme = (): Theme =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => theme,
  );

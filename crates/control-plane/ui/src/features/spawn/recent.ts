// Working directories that were used before, in this browser.

const KEY = "parallax.workdirs";
const MAX_KEPT = 10;

export function recentWorkdirs(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((path) => typeof path === "string").slice(0, MAX_KEPT) : [];
  } catch {
    return [];
  }
}

export function keepWorkdir(path: string): void {
  const others = recentWorkdirs().filter((known) => known !== path);
  localStorage.setItem(KEY, JSON.stringify([path, ...others].slice(0, MAX_KEPT)));
}

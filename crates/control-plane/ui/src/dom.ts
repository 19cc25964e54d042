// Making elements. Text always goes in as text, never as HTML: much of it was written by agents.

type Child = Node | string | null | undefined | false;
type Props<K extends keyof HTMLElementTagNameMap> = {
  [P in keyof HTMLElementTagNameMap[K]]?: HTMLElementTagNameMap[K][P];
} & { attrs?: Record<string, string>; on?: Record<string, (event: Event) => void> };

/** An element with its properties and children. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props<K> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const { attrs, on, ...own } = props;
  const element = Object.assign(document.createElement(tag), own) as HTMLElementTagNameMap[K];
  for (const [name, value] of Object.entries(attrs ?? {})) element.setAttribute(name, value);
  for (const [name, handler] of Object.entries(on ?? {})) element.addEventListener(name, handler);
  element.append(...children.filter((child): child is Node | string => Boolean(child)));
  return element;
}

/** Puts these children in place of the old ones. */
export function fill(parent: Element, ...children: Child[]): void {
  parent.replaceChildren(...children.filter((child): child is Node | string => Boolean(child)));
}

/** A link out of the page; text from agents may be any text, so only web addresses become links. */
export function webLink(url: string): HTMLElement {
  const isWeb = /^https?:\/\//i.test(url);
  return isWeb
    ? el("a", { href: url, target: "_blank", rel: "noopener noreferrer", textContent: url })
    : el("code", { textContent: url });
}

/** A time as a person reads it: the clock today, the date before. */
export function clock(time: string): HTMLTimeElement {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  const text = today ? date.toLocaleTimeString() : date.toLocaleString();
  return el("time", { dateTime: time, title: date.toISOString(), textContent: text });
}

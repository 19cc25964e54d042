// Tabs after the WAI-ARIA pattern: arrows move, the panel belongs to its tab.

import { el } from "./dom";

export class Tabs {
  readonly element: HTMLElement;
  private readonly tabs: HTMLButtonElement[];
  private readonly panels: HTMLElement[];

  constructor(parts: { name: string; content: HTMLElement }[]) {
    this.panels = parts.map(({ name, content }) =>
      el("div", { className: "tab-panel", id: `panel-${name}`, attrs: { role: "tabpanel", "aria-labelledby": `tab-${name}` } }, content),
    );
    this.tabs = parts.map(({ name }, index) =>
      el("button", {
        type: "button",
        id: `tab-${name}`,
        textContent: name,
        attrs: { role: "tab", "aria-controls": `panel-${name}` },
        on: { click: () => this.show(index) },
      }),
    );
    const bar = el("div", { className: "tab-bar", attrs: { role: "tablist" } }, ...this.tabs);
    bar.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      if (step === 0) return;
      const next = (this.tabs.indexOf(document.activeElement as HTMLButtonElement) + step + this.tabs.length) % this.tabs.length;
      this.show(next);
      this.tabs[next]?.focus();
    });
    this.element = el("section", { className: "tabs" }, bar, ...this.panels);
    this.show(0);
  }

  private show(index: number): void {
    this.tabs.forEach((tab, at) => {
      tab.setAttribute("aria-selected", String(at === index));
      tab.tabIndex = at === index ? 0 : -1;
    });
    this.panels.forEach((panel, at) => (panel.hidden = at !== index));
  }
}

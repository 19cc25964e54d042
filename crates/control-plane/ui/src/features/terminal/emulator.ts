// xterm.js with what the page wants of it.

import { ClipboardAddon } from "@xterm/addon-clipboard";
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { WebglAddon } from "@xterm/addon-webgl";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { copyText } from "../../ui/clipboard";

const FONTS = 'ui-monospace, "Cascadia Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';
/** Sizes of the letters in pixels. Smaller ones cannot be read: then the terminal is scrolled. */
export const FONT = { tiny: 5, smallest: 8, smallestNarrow: 10, usual: 13, largest: 22 } as const;
/** The smallest size that an agent's terminal is given. */
const SMALLEST = { cols: 40, rows: 10 } as const;

export class Emulator {
  readonly terminal = new Terminal({
    fontFamily: FONTS,
    fontSize: FONT.usual,
    scrollback: 5000,
    allowProposedApi: true, // widths of characters, search marks
    cursorBlink: true,
    screenReaderMode: false,
    theme: { background: "#12141c", foreground: "#d8dbe6", cursor: "#8f9bff", selectionBackground: "#3a4270" },
  });
  readonly search = new SearchAddon();
  private readonly fit = new FitAddon();

  /** `mayCopy`: whether what is printed now may set the clipboard; never, where it is left out. */
  constructor(mayCopy: () => boolean = () => false) {
    this.terminal.loadAddon(this.fit);
    // The host takes characters to be as wide as this add-on says.
    this.terminal.loadAddon(new UnicodeGraphemesAddon());
    this.terminal.loadAddon(this.search);
    this.terminal.loadAddon(new WebLinksAddon((_, uri) => window.open(uri, "_blank", "noopener,noreferrer")));
    // What an agent prints may set the clipboard while a person is at this terminal, never read it.
    this.terminal.loadAddon(
      new ClipboardAddon(undefined, {
        readText: () => "",
        writeText: async (_, text) => void (mayCopy() && (await copyText(text))),
      }),
    );
  }

  /** Whether what is typed goes here: this window has the focus, and this terminal has it in the window. */
  get isFocused(): boolean {
    const { textarea } = this.terminal;
    return textarea !== undefined && document.activeElement === textarea && document.hasFocus();
  }

  /** Shows it in an element that is on the page. */
  open(element: HTMLElement): void {
    this.terminal.open(element);
    // A phone takes WebGL away whenever it sleeps, and has few rows to draw.
    if (matchMedia("(pointer: coarse)").matches) return;
    try {
      const webgl = new WebglAddon();
      // Too many terminals, or a sleeping machine: the DOM goes on.
      webgl.onContextLoss(() => webgl.dispose());
      this.terminal.loadAddon(webgl);
    } catch {
      // No WebGL here: the DOM does it.
    }
  }

  /** Makes the letters as large as the element allows for the whole width, within what can be read. */
  fitLetters(element: HTMLElement, smallest: number): void {
    const { cols, rows, options } = this.terminal;
    const cell = this.cellOf(options.fontSize ?? FONT.usual);
    const byWidth = element.clientWidth / (cols * cell.width);
    const byHeight = element.clientHeight / (rows * cell.height);
    const size = Math.floor(2 * Math.min(byWidth, byHeight)) / 2;
    options.fontSize = Math.max(smallest, Math.min(FONT.usual + 1, size));
  }

  /** Everything that it shows and keeps, line by line. */
  text(): string {
    const { active } = this.terminal.buffer;
    const lines: string[] = [];
    for (let index = 0; index < active.length; index++) {
      const line = active.getLine(index);
      const text = line?.translateToString(true) ?? "";
      if (line?.isWrapped && lines.length > 0) lines[lines.length - 1] += text;
      else lines.push(text);
    }
    return lines.join("\n").trimEnd();
  }

  /** The size that fills the room there is, with the letters as they are. */
  roomFor(): { cols: number; rows: number } | undefined {
    const size = this.fit.proposeDimensions();
    if (!size || !Number.isFinite(size.cols) || !Number.isFinite(size.rows)) return undefined;
    return { cols: Math.max(SMALLEST.cols, size.cols), rows: Math.max(SMALLEST.rows, size.rows) };
  }

  /** What an arrow key types now. */
  arrow(direction: "A" | "B" | "C" | "D"): string {
    return `\x1b${this.terminal.modes.applicationCursorKeysMode ? "O" : "["}${direction}`;
  }

  /** The size of a cell with letters of one pixel. */
  private cellOf(fontSize: number): { width: number; height: number } {
    const screen = this.terminal.element?.querySelector<HTMLElement>(".xterm-screen");
    const { cols, rows } = this.terminal;
    if (!screen?.clientWidth || !screen.clientHeight) return { width: 0.6, height: 1.2 };
    return { width: screen.clientWidth / cols / fontSize, height: screen.clientHeight / rows / fontSize };
  }
}

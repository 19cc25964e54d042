// xterm.js without a page, as the reference: reads cases, one JSON object a line, and answers what its terminals are in the
// end. Run with the folder that has @xterm/headless and @xterm/addon-unicode-graphemes.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(`${process.argv[2]}/`);
const { Terminal } = require('@xterm/headless');
// The add-on reads its table out of a shared buffer at the wrong place when there is a Buffer, as there is not in a page.
const { Buffer: hidden } = globalThis;
globalThis.Buffer = undefined;
const { UnicodeGraphemesAddon } = require('@xterm/addon-unicode-graphemes');
globalThis.Buffer = hidden;

const EXTENDED = 0x10000000;
const UNDERLINE_STYLE = 0x1c000000;
const MODES = { NONE: 'Off', X10: 'X10', VT200: 'Click', DRAG: 'Drag', ANY: 'Any' };
const ENCODINGS = { DEFAULT: 'Bytes', SGR: 'Sgr', SGR_PIXELS: 'SgrPixels' };

function open(cols, rows, scrollback) {
  const terminal = new Terminal({ cols, rows, scrollback, allowProposedApi: true, logLevel: 'off' });
  terminal.loadAddon(new UnicodeGraphemesAddon());
  // A link is forgotten with the row in which it began, also while text still gets it. Here it is not.
  const links = terminal._core._oscLinkService;
  const register = links.registerLink.bind(links);
  terminal.links = {};
  links.registerLink = (data) => {
    const id = register(data);
    terminal.links[id] = data;
    return id;
  };
  terminal.onTitleChange((title) => { terminal.shownTitle = title; });
  return terminal;
}

const write = (terminal, text) => new Promise((done) => terminal.write(text, done));

function resize(terminal, cols, rows) {
  terminal.resize(cols, rows);
  // An alternate screen that became smaller while it was not shown has a scrollback, by mistake.
  const { alt } = terminal._core._bufferService.buffers;
  if (alt.lines.length === 0) alt.lines.maxLength = rows;
}

async function play(terminal, steps) {
  for (const step of steps) {
    if (step.w !== undefined) await write(terminal, step.w);
    else resize(terminal, step.r[0], step.r[1]);
  }
}

function value(kind, number) {
  return `${kind}:${number.toString(16)}`;
}

function color(field) {
  const kind = (field >> 24) & 3;
  if (kind === 0) return value(0, 0);
  return value(kind, kind === 3 ? field & 0xffffff : field & 0xff);
}

// Flags and colours of an attribute; `extended` counts when it is flagged, but for what the next characters will get.
function key(terminal, fg, bg, extended, current = false) {
  const flagged = bg & EXTENDED ? extended : undefined;
  const underlined = fg & 0x10000000;
  // The public style is that of a link where there is one.
  const underline = !underlined ? 0 : flagged ? (flagged._ext & UNDERLINE_STYLE) >>> 26 : 1;
  const fgFlags = ((fg >>> 26) & ~4) >>> 0;
  const bgFlags = ((bg & ~EXTENDED) >>> 26) >>> 0;
  // SGR 59 stores a white one, where it means the colour of the text: plainly wrong, and no generated stream asks for white.
  const kept = current ? extended : flagged;
  const underlineColor = kept && kept.underlineColor !== 0x3ffffff ? kept.underlineColor : 0;
  let link = '';
  if (kept && kept.urlId) {
    const data = terminal.links[kept.urlId];
    link = ` ${data.id ?? ''}=${data.uri}`;
  }
  const text = `${color(fg)} ${color(bg)} ${fgFlags.toString(16)} ${bgFlags.toString(16)} ${underline} `
    + `${underline ? color(underlineColor) : '0:0'}${link}`;
  return text === '0:0 0:0 0 0 0 0:0' ? '' : text;
}

function row(terminal, line, cols, cell) {
  let end = -1;
  const cells = [];
  for (let col = 0; col < cols; col++) {
    line.loadCell(col, cell);
    const attributes = key(terminal, cell.fg, cell.bg, cell.extended);
    let chars = cell.getChars();
    let spacer = false;
    const width = cell.getWidth();
    // Half of a wide character of which the other half is gone shows nothing, but is there.
    if (width === 0 && !chars) spacer = col > 0 && line.getWidth(col - 1) === 2 && line.hasContent(col - 1);
    if (width === 2) {
      const next = col + 1 < cols && line.getWidth(col + 1) === 0 && !line.hasContent(col + 1);
      if (!next) chars = chars && '\u2039';
    }
    if (chars || attributes) end = col;
    cells.push([spacer ? '\u00ab' : !chars ? '\u00b7' : [...chars].length > 1 ? `<${chars}>` : chars, attributes]);
  }
  let out = line.isWrapped ? '+' : '|';
  let last = '';
  for (const [chars, attributes] of cells.slice(0, end + 1)) {
    if (attributes !== last) out += `{${attributes}}`;
    last = attributes;
    out += chars;
  }
  return out;
}

function describe(terminal, name, buffer, cols, rows) {
  const tabs = Object.keys(buffer.tabs).map(Number).filter((tab) => tab < cols && buffer.tabs[tab]).sort((a, b) => a - b);
  const out = [`${name} margins=${buffer.scrollTop}..${buffer.scrollBottom} tabs=[${tabs.join(', ')}] above=${buffer.ybase}`];
  const cell = terminal.buffer.active.getNullCell();
  for (let index = 0; index < buffer.ybase + rows; index++) {
    out.push(row(terminal, buffer.lines.get(index), cols, cell));
  }
  return out;
}

function state(terminal) {
  const core = terminal._core;
  const { coreService, coreMouseService } = core;
  const { buffers, cols, rows } = core._bufferService;
  const modes = coreService.decPrivateModes;
  const attr = core._inputHandler._curAttrData;
  const active = buffers.active;
  const style = modes.cursorStyle
    ? { block: 2, underline: 4, bar: 6 }[modes.cursorStyle] - (modes.cursorBlink ? 1 : 0)
    : 0;
  return [
    `title ${terminal.shownTitle ?? ''}`,
    `modes hidden=${coreService.isCursorHidden} cursor-keys=${modes.applicationCursorKeys} keypad=${modes.applicationKeypad} `
    + `paste=${modes.bracketedPasteMode} origin=${modes.origin} reverse=${modes.reverseWraparound} focus=${modes.sendFocus} `
    + `wrap=${modes.wraparound} insert=${coreService.modes.insertMode} newline=${core.optionsService.rawOptions.convertEol} `
    + `blink=${core.optionsService.rawOptions.cursorBlink} mouse=${MODES[coreMouseService.activeProtocol]} `
    + `encoding=${ENCODINGS[coreMouseService.activeEncoding]} frame=${modes.synchronizedOutput}`,
    `style ${style} ${key(terminal, attr.fg, attr.bg, attr.extended, true)}`,
    `screen alternate=${active === buffers.alt} cursor=${active.y},${active.x}`,
    ...describe(terminal, 'main', buffers.normal, cols, rows),
    ...(active === buffers.alt ? describe(terminal, 'alternate', buffers.alt, cols, rows) : []),
    '',
  ].join('\n');
}

// The columns of a text and each code point behind it.
function widths(before) {
  const terminal = open(40, 2, 0);
  const service = terminal._core.unicodeService;
  const columns = Array.from({ length: 0x110000 }, (_, code) => service.getStringCellWidth(before + String.fromCodePoint(code)));
  terminal.dispose();
  return columns;
}

async function run(test) {
  if (test.before !== undefined) return { widths: widths(test.before) };
  const live = open(test.cols, test.rows, test.scrollback);
  await play(live, test.steps);
  const late = [];
  for (const attach of test.attaches) {
    const viewer = open(attach.size[0], attach.size[1], test.scrollback);
    await write(viewer, attach.snapshot);
    await play(viewer, test.steps.slice(attach.at));
    late.push(state(viewer));
    viewer.dispose();
  }
  const answer = { live: state(live), late };
  live.dispose();
  return answer;
}

// xterm.js throws out of its own timer.
let fail = () => {};
process.on('uncaughtException', (error) => fail(error));

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = await new Promise((done, failed) => {
      fail = failed;
      run(JSON.parse(line)).then(done, failed);
    });
  } catch (error) {
    answer = { error: String(error?.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

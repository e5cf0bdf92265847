// A line to type in that stays at the bottom of a terminal: what is written meanwhile goes above it, also in the middle
// of a line, and what is typed is kept. The line can be put away while something else asks.
import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from 'node:readline';
import { cellsOf, wrapText } from './cells.ts';
import type { Output } from './output.ts';
import type { Terminal } from './prompt.ts';

export interface LineBelow {
  /** Writes above the line. */
  output: Output;
  open(): void;
  /** The line is gone from the screen; what was typed comes back with `open`. */
  putAway(): void;
  /** What stands before what is typed. */
  ask(prompt: string): void;
  /** Puts text into the line as if it were typed. */
  begin(text: string): void;
  /** Takes away what is typed; false when there was nothing. */
  clear(): boolean;
}

export interface LineInput {
  terminal: Terminal;
  output: Output;
  /** The newest first. */
  history: string[];
  complete(line: string): string[];
  /**
   * Lines that arrived together, as pasted ones do; `unfinished` when the last of them is still being typed. They are
   * off the screen.
   */
  onLines(lines: string[], unfinished: boolean): void;
  onCtrlC(): void;
  /** Ctrl-D, or the terminal is gone. */
  onEnd(): void;
}

/** What is on the screen above the line, and the line itself anew whenever that has grown. */
interface Place {
  write(text: string): void;
  /** Takes the line off the screen; how far it must be led down before it is drawn again. */
  hide(): number;
  show(rows: number): void;
  /** The line is gone; the row where it stood is empty. */
  leave(): void;
  /** Whatever is written next stands in a row of its own. */
  endRow(): void;
  /** Takes the line that was just entered off the screen. */
  takeBack(entered: string): void;
}

// Pasted lines arrive within one read of the terminal; a person does not type two lines so fast.
const togetherMs = 30;

export function createLineBelow(input: LineInput): LineBelow {
  let lines: Interface | undefined;
  let prompt = '› ';
  let draft = '';
  let history = input.history;
  let together: string[] = [];
  const place = createPlace(input.terminal.output, input.output, () => lines);

  /** Off the screen again: the caller says what becomes of it. */
  function onLine(line: string): void {
    place.takeBack(prompt + line);
    together.push(line);
    if (together.length > 1) return;
    setTimeout(() => {
      const given = together;
      together = [];
      input.onLines(given, (lines?.line ?? draft) !== '');
    }, togetherMs);
  }

  function openLine(): Interface {
    const opened = createInterface({
      ...input.terminal,
      terminal: true,
      history,
      historySize: 500,
      removeHistoryDuplicates: true,
      prompt,
      completer: (line: string) => [input.complete(line), line],
    });
    opened.on('line', onLine);
    opened.on('history', (now) => {
      history = now;
    });
    opened.on('SIGINT', input.onCtrlC);
    opened.on('close', () => {
      if (lines !== opened) return;
      lines = undefined;
      // The line stays where it is; what follows begins on one of its own.
      input.terminal.output.write('\n');
      place.leave();
      input.onEnd();
    });
    return opened;
  }

  return {
    open() {
      if (lines !== undefined) return;
      place.endRow();
      lines = openLine();
      lines.prompt();
      lines.write(draft);
      draft = '';
    },
    putAway() {
      if (lines === undefined) return;
      place.hide();
      place.leave();
      const closing = lines;
      draft = closing.line;
      lines = undefined;
      closing.close();
    },
    ask(text) {
      if (text === prompt) return;
      const rows = place.hide();
      prompt = text;
      lines?.setPrompt(text);
      place.show(rows);
    },
    begin(text) {
      if (lines === undefined) draft = text;
      else lines.write(text);
    },
    clear() {
      if (lines === undefined || lines.line === '') return false;
      lines.write(null, { ctrl: true, name: 'e' });
      lines.write(null, { ctrl: true, name: 'u' });
      return true;
    },
    output: outputInto(place.write, input.output),
  };
}

function createPlace(screen: Terminal['output'], base: Output, line: () => Interface | undefined): Place {
  const columns = (): number => screen.columns || Number.POSITIVE_INFINITY;
  // Where the text above ends: the cells of its last row.
  let cells = 0;

  function up(rows: number): void {
    moveCursor(screen, 0, -rows);
    cursorTo(screen, 0);
    clearScreenDown(screen);
  }

  function hide(): number {
    const rows = line()?.getCursorPos().rows ?? 0;
    if (line()) up(rows);
    return rows;
  }

  // The line goes up by itself as far as it was hidden.
  function show(rows: number): void {
    screen.write('\n'.repeat(rows));
    line()?.prompt(true);
  }

  return {
    hide,
    show,
    write(text) {
      if (text === '') return;
      const rows = hide();
      // A row that is full has ended by itself.
      const isWithin = line() !== undefined && cells % columns() > 0;
      if (isWithin) {
        moveCursor(screen, 0, -1);
        cursorTo(screen, cells % columns());
      }
      base.write(text);
      const last = text.lastIndexOf('\n');
      cells = last < 0 ? cells + cellsOf(text) : cellsOf(text.slice(last + 1));
      if (line()) {
        if (cells > 0) screen.write('\n');
        show(rows);
      }
    },
    leave() {
      cells = 0;
    },
    endRow() {
      if (cells > 0) screen.write('\n');
      cells = 0;
    },
    takeBack(entered) {
      up(Math.floor(cellsOf(entered) / columns()) + 1);
      line()?.prompt(true);
    },
  };
}

/** As the output it stands for, but that all of it goes where this writes. */
function outputInto(write: (text: string) => void, base: Output): Output {
  const line = (text = ''): void => write(`${text}\n`);
  return {
    write,
    line,
    remark: (text) => line(wrapText(text, base.columns)),
    json: (value) => line(JSON.stringify(value)),
    room: base.room,
    flushed: base.flushed,
    get aside() {
      return this;
    },
    get colors() {
      return base.colors;
    },
    get isTerminal() {
      return base.isTerminal;
    },
    get columns() {
      return base.columns;
    },
  };
}

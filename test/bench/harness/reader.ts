// One reader of an SSE stream over a bare socket, as cheap as a reader can be: it counts frames, checks their
// numbers, and reads the time that a frame's text carries between two @.
import { connect, type Socket } from 'node:net';
import { now } from './product.ts';

export interface Target {
  host: string;
  port: number;
  path: string;
  token: string;
  /** The number of the last event that is not wanted. */
  after: number;
}

export interface Seen {
  frames: number;
  lost: number;
  doubled: number;
  reordered: number;
  /** Milliseconds since the epoch at which a frame came that was younger than `freshMs`; 0 before the first. */
  freshAt: number;
  connections: number;
}

export interface Reader {
  seen: Seen;
  /** The number of the last frame. */
  last(): number;
  /** Resolves when that number has come. */
  reached(last: number): Promise<void>;
  /** Resolves at the end of the stream or of the reader. */
  ended: Promise<void>;
  close(): void;
}

export interface ReaderInput {
  target: Target;
  /** Called with the age of what came, and with how many frames were as old or younger. */
  onAge?: (milliseconds: number, frames: number) => void;
  /** Every time a text carries, or the oldest of each chunk for all its frames: cheaper, and never too low a figure. */
  ages: 'each' | 'oldest';
  /** Connects again after a second, as the stream asks for, when the connection is lost. */
  again: boolean;
  /** A frame this young means that its reader has caught up. */
  freshMs?: number;
}

// What our stream asks a client to wait before it comes back.
const againMs = 1000;

/** Calls back with the number of every frame; returns how many there were. */
function eachNumber(whole: string, take: (number: number) => void): number {
  let frames = 0;
  let at = whole.startsWith('id: ') ? 0 : whole.indexOf('\nid: ');
  while (at >= 0) {
    const start = whole.indexOf(' ', at) + 1;
    const end = whole.indexOf('\n', start);
    take(Number(whole.slice(start, end)));
    frames += 1;
    at = whole.indexOf('\nid: ', end);
  }
  return frames;
}

function readAges(text: string, frames: number, input: ReaderInput, seen: Seen): void {
  const arrived = now();
  // The last event of a message repeats its whole text.
  const whole = input.ages === 'each' ? text.replaceAll(/^event: message-end\ndata: .*$/gm, '') : text;
  let from = whole.indexOf('@');
  while (from >= 0) {
    const to = whole.indexOf('@', from + 1);
    if (to < 0) return;
    const age = arrived - Number(whole.slice(from + 1, to));
    // A time that two events share between them is left out.
    if (Number.isNaN(age)) {
      from = to;
      continue;
    }
    if (age < (input.freshMs ?? 0) && seen.freshAt === 0) seen.freshAt = arrived;
    input.onAge?.(age, input.ages === 'each' ? 1 : frames);
    from = input.ages === 'each' ? whole.indexOf('@', to + 1) : -1;
  }
}

export function openReader(input: ReaderInput): Reader {
  const { target } = input;
  const seen: Seen = { frames: 0, lost: 0, doubled: 0, reordered: 0, freshAt: 0, connections: 0 };
  let last = target.after;
  let socket: Socket | undefined;
  let over = false;
  let timer: NodeJS.Timeout | undefined;
  let wanted: { last: number; resolve: () => void } | undefined;
  const ended = Promise.withResolvers<void>();

  function take(whole: string): void {
    const frames = eachNumber(whole, note);
    seen.frames += frames;
    readAges(whole, frames, input, seen);
    if (wanted && last >= wanted.last) {
      wanted.resolve();
      wanted = undefined;
    }
  }

  function note(number: number): void {
    if (number === last + 1) last = number;
    else if (number > last) {
      seen.lost += number - last - 1;
      last = number;
    } else if (number === last) seen.doubled += 1;
    else seen.reordered += 1;
  }

  function open(): void {
    let rest = '';
    seen.connections += 1;
    seen.freshAt = 0;
    const opened = connect({ host: target.host, port: target.port, noDelay: true });
    socket = opened;
    opened.write(
      `GET ${target.path} HTTP/1.1\r\nhost: ${target.host}\r\naccept: text/event-stream\r\nconnection: close\r\nauthorization: Bearer ${target.token}\r\nlast-event-id: ${last}\r\n\r\n`,
    );
    let begun = false;
    opened.on('data', (chunk: Buffer) => {
      rest += chunk.toString('latin1');
      if (!begun) {
        const head = rest.indexOf('\r\n\r\n');
        if (head < 0) return;
        begun = rest.startsWith('HTTP/1.1 200');
        if (!begun && !input.again) ended.reject(new Error(`${target.path} answered ${rest.slice(0, head)}`));
        if (!begun) return void opened.destroy();
        // The line end stays: a number is looked for at the beginning of a line.
        rest = rest.slice(head + 3);
      }
      const end = rest.lastIndexOf('\n\n');
      if (end < 0) return;
      const whole = rest.slice(0, end + 2);
      rest = rest.slice(end + 2);
      take(whole);
    });
    opened.on('error', () => undefined);
    opened.on('close', () => {
      if (input.again && !over) timer = setTimeout(open, againMs);
      else ended.resolve();
    });
  }

  open();
  return {
    seen,
    last: () => last,
    reached: (number) =>
      new Promise((resolve) => {
        if (last >= number) resolve();
        else wanted = { last: number, resolve };
      }),
    ended: ended.promise,
    close() {
      over = true;
      clearTimeout(timer);
      if (socket?.destroyed === false) socket.destroy();
      else ended.resolve();
    },
  };
}

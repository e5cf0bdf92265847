// The standard streams of this process. A person's command writes through them alone, and no other file names them: a
// reader that goes away, a full disk or a closed descriptor costs what is printed, never the command and its exit code.
import type { Sink } from './output.ts';
import type { Terminal } from './prompt.ts';

// What may wait for a slow reader, such as a pager, before a command that follows something waits too.
const mostUnsentBytes = 1024 * 1024;

export interface StandardSink extends Required<Sink> {
  /** Nothing written from now on arrives anywhere. */
  readonly isGone: boolean;
}

export interface StandardStreams {
  stdout: StandardSink;
  stderr: StandardSink;
  stdin: NodeJS.ReadStream;
  /** Where a person reads and types; undefined unless both ends are a terminal. */
  terminal: Terminal | undefined;
}

let opened: StandardStreams | undefined;

/** The same ones at every call. */
export function standardStreams(): StandardStreams {
  opened ??= open();
  return opened;
}

function open(): StandardStreams {
  const stderr = toSink(process.stderr, () => undefined);
  const stdout = toSink(process.stdout, ({ code }) => {
    // Of a reader that has read enough there is nothing to say.
    if (code === 'EPIPE') return;
    stderr.write(
      `perdure: the output cannot be written any more (${code ?? 'unknown'}); the work goes on.\n`,
    );
  });
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
  return {
    stdout,
    stderr,
    stdin: process.stdin,
    terminal: isTerminal ? { input: process.stdin, output: process.stdout } : undefined,
  };
}

function toSink(stream: NodeJS.WriteStream, onGone: (error: NodeJS.ErrnoException) => void): StandardSink {
  let gone = false;
  let unsent = 0;
  const waiting = new Set<() => void>();

  function wake(): void {
    for (const look of [...waiting]) look();
  }

  function until(reached: () => boolean): Promise<void> {
    if (gone || reached()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = (): void => {
        if (!gone && !reached()) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
    });
  }

  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (gone) return;
    gone = true;
    onGone(error);
    wake();
  });

  return {
    isTTY: stream.isTTY,
    get columns() {
      return stream.columns;
    },
    get isGone() {
      return gone;
    },
    write(text) {
      if (gone) return;
      const bytes = Buffer.byteLength(text);
      unsent += bytes;
      // An error is told to the listener above; here it only means that nothing waits any more.
      stream.write(text, () => {
        unsent -= bytes;
        wake();
      });
    },
    room: () => until(() => unsent < mostUnsentBytes),
    async flushed() {
      await until(() => unsent === 0);
      // The error of a write comes after its callback.
      await new Promise(setImmediate);
      return !gone;
    },
  };
}

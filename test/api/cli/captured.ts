// The world around one command line: what it wrote is kept, its Ctrl-C is in our hands, the API behind it is real.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { onTestFinished } from 'vitest';
import { createOutput } from '../../../api/cli/terminal/output.ts';
import { runProgram } from '../../../api/cli/program.ts';
import { createTestApp } from '../../support/test-app.ts';

export interface Captured {
  code: Promise<number>;
  out(): string;
  err(): string;
  pressCtrlC(): void;
  /** Keys as a person presses them; for a command line in a terminal. */
  type(keys: string): void;
}

interface Around {
  environment?: Record<string, string>;
  folder?: string;
  isTerminal?: boolean;
  /** What is piped into stdin. */
  stdin?: Iterable<Buffer>;
  /** How wide that terminal is: 100 unless said otherwise. */
  columns?: number;
  /** Where Perdure lies. */
  installFolder?: string;
  /** A person sits there: stdin is a terminal too. */
  isAttended?: boolean;
}

/** Runs `perdure ARGS` in this process. */
export function perdure(args: string[], around: Around = {}): Captured {
  const { environment = {}, folder = '/nowhere', isAttended = false, isTerminal = isAttended } = around;
  const { stdin = [], columns = 100, installFolder = '/nowhere' } = around;
  let out = '';
  let err = '';
  const listeners = new Set<() => void>();
  const output = createOutput(
    { write: (text) => (out += text), isTTY: isTerminal, columns },
    { write: (text) => (err += text) },
    environment,
  );
  const onInterrupt = (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  const keyboard = new PassThrough();
  const screen = new Writable({
    write(chunk, _encoding, done) {
      out += chunk;
      done();
    },
  });
  const surroundings = {
    environment,
    folder,
    output,
    stdin: Readable.from(stdin, { objectMode: false }),
    onInterrupt,
    ...(isAttended && { terminal: { input: keyboard, output: screen } }),
  };
  return {
    code: runProgram(args, surroundings, installFolder),
    type: (keys) => void keyboard.write(keys),
    out: () => out,
    err: () => err,
    pressCtrlC: () => {
      for (const listener of listeners) listener();
    },
  };
}

/** An API that listens, and the command line that knows it. */
export async function startApi(options: Parameters<typeof createTestApp>[0] = {}) {
  const api = await createTestApp(options);
  const url = await api.listen();
  const environment = { PERDURE_URL: url, PERDURE_TOKEN: api.token };
  return {
    api,
    url,
    environment,
    call: (...args: string[]): Captured => perdure(args, { environment }),
    /** The same with a person at the keyboard, who wants no colours. */
    attend: (...args: string[]): Captured =>
      perdure(args, { environment: { ...environment, NO_COLOR: '1' }, isAttended: true }),
  };
}

export async function eventually<T>(ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-cli-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

// The world around one command line: what it wrote is kept, its Ctrl-C is in our hands, the API behind it is real.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { createOutput } from '../../../api/cli/output.ts';
import { runProgram } from '../../../api/cli/program.ts';
import { createTestApp } from '../../support/test-app.ts';

export interface Captured {
  code: Promise<number>;
  out(): string;
  err(): string;
  pressCtrlC(): void;
}

interface Around {
  environment?: Record<string, string>;
  folder?: string;
  isTerminal?: boolean;
}

/** Runs `perdure ARGS` in this process. */
export function perdure(args: string[], around: Around = {}): Captured {
  const { environment = {}, folder = '/nowhere', isTerminal = false } = around;
  let out = '';
  let err = '';
  const listeners = new Set<() => void>();
  const output = createOutput(
    { write: (text) => (out += text), isTTY: isTerminal, columns: 100 },
    { write: (text) => (err += text) },
    environment,
  );
  const onInterrupt = (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  return {
    code: runProgram(args, { environment, folder, output, onInterrupt }, '/nowhere'),
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
  return { api, url, call: (...args: string[]): Captured => perdure(args, { environment }) };
}

export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-cli-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

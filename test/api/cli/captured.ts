// The world around one command line, with what it wrote kept and its Ctrl-C in our hands.
import { createOutput } from '../../../api/cli/output.ts';
import { runProgram } from '../../../api/cli/program.ts';

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

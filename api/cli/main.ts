// The entry of the CLI: the only place here that touches the process and its environment.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exitCodes } from './exit-codes.ts';
import { createOutput } from './terminal/output.ts';
import { standardStreams } from './terminal/standard-streams.ts';
import { isProcessSide, runProcessSide } from './process-side.ts';
import { runProgram } from './program.ts';

const installFolder = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

// Behind npm a Ctrl-C arrives twice, from the terminal and from npm; people need longer than this between two.
const onePressMs = 1_000;

function onInterrupt(listener: () => void): () => void {
  let last = Number.NEGATIVE_INFINITY;
  const heard = (): void => {
    const now = performance.now();
    if (now - last < onePressMs) return;
    last = now;
    listener();
  };
  process.on('SIGINT', heard);
  return () => process.off('SIGINT', heard);
}

/** Undefined when it was deleted: then no path that a command is given means anything. */
function currentFolder(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

const args = process.argv.slice(2);
const { stdout, stderr, stdin, terminal } = standardStreams();
const folder = currentFolder();
if (folder === undefined) {
  stderr.write('perdure: The directory this is called in is gone: change to another one.\n');
  process.exitCode = exitCodes.usage;
} else if (isProcessSide(args)) {
  process.exitCode = await runProcessSide(join(installFolder, 'worker', 'perdure.mjs'), args);
} else {
  const surroundings = {
    environment: process.env,
    folder,
    stdin,
    output: createOutput(stdout, stderr, process.env),
    onInterrupt,
    ...(terminal && { terminal }),
  };
  process.exitCode = await runProgram(args, surroundings, installFolder);
}

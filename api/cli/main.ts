// The entry of the CLI: the only place here that touches the process and its environment.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
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

const args = process.argv.slice(2);
const { stdout, stderr, stdin, terminal } = standardStreams();
if (isProcessSide(args)) {
  process.exitCode = await runProcessSide(join(installFolder, 'worker', 'perdure.mjs'), args);
} else {
  const surroundings = {
    environment: process.env,
    folder: process.cwd(),
    stdin,
    output: createOutput(stdout, stderr, process.env),
    onInterrupt,
    ...(terminal && { terminal }),
  };
  process.exitCode = await runProgram(args, surroundings, installFolder);
}

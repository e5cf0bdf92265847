// Shows a run that a command has started beside `perdure run`.
import { exitCodes } from './exit-codes.ts';
import type { Cli } from './surroundings.ts';
import { followRun } from './terminal/follow-run.ts';
import { createRenderer } from './terminal/renderer.ts';

export interface FollowOptions {
  detach?: boolean;
  json?: boolean;
}

/** Shows a run that this command has started; Ctrl-C leaves it running. */
export async function followStarted(
  cli: Cli,
  runId: string,
  { detach, json = false }: FollowOptions,
): Promise<number> {
  if (detach) {
    if (json) cli.output.json({ id: runId });
    else cli.output.line(runId);
    return exitCodes.ok;
  }
  const leaving = new AbortController();
  const stopListening = cli.onInterrupt(() => leaving.abort());
  try {
    const renderer = createRenderer(cli.output);
    return await followRun(cli, cli.client(), runId, { json, signal: leaving.signal, renderer });
  } finally {
    stopListening();
  }
}

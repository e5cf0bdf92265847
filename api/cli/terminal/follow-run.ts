// Shows a run until it ends and tells its exit code: the part that `run`, `watch` and `demo` share.
import type { Event } from '../../../workflows/contracts/event.ts';
import type { Client } from '../../client/client.ts';
import { exitCodeOf, exitCodes } from '../exit-codes.ts';
import type { Renderer } from './renderer.ts';
import { resultAtEnd, resultLines } from './rewind-result.ts';
import type { Cli } from '../surroundings.ts';

export interface FollowRunOptions {
  json?: boolean;
  after?: number;
  tokens?: boolean;
  /** Leaves the run running and ends with the code a shell expects of Ctrl-C. */
  signal?: AbortSignal;
  onEvent?: (event: Event) => void;
  renderer: Renderer;
}

export async function followRun(
  cli: Cli,
  client: Client,
  runId: string,
  how: FollowRunOptions,
): Promise<number> {
  const { renderer } = how;
  const note = (text: string): void => (how.json ? cli.output.remark(text) : renderer.note(text));
  const events = client.watchRun(runId, {
    ...(how.after !== undefined && { after: how.after }),
    ...(how.tokens === false && { tokens: false }),
    ...(how.signal && { signal: how.signal }),
    onFolded: (floor) =>
      note(`events up to ${floor} are folded: whole messages and results, their numbers skip`),
    onLost: () => note('the server does not answer; this goes on by itself as soon as it does'),
  });
  try {
    for await (const event of events) {
      if (how.json) cli.output.json(event);
      else renderer.render(event);
      how.onEvent?.(event);
      if (event.type === 'run-end') {
        const result = await resultAtEnd(client, runId, event.payload, how.signal);
        if (result && how.json) cli.output.json({ rewind: result });
        else if (result) resultLines(result).forEach(renderer.note);
        return exitCodeOf(event.payload, result);
      }
      await roomOr(cli, how.signal);
    }
  } catch (error) {
    if (!how.signal?.aborted) throw error;
    cli.output.remark(`The run goes on; watch it with: perdure watch ${runId}`);
    return exitCodes.left;
  }
  // The cursor was at the last event already: the stream had nothing to say.
  const run = await client.run(runId);
  return exitCodeOf(run, run.homecoming ?? undefined);
}

/** Waits for a reader that is slow; a Ctrl-C is heard meanwhile. */
async function roomOr(cli: Cli, signal: AbortSignal | undefined): Promise<void> {
  const aborted = Promise.withResolvers<void>();
  const onAbort = (): void => aborted.resolve();
  if (signal?.aborted) return;
  signal?.addEventListener('abort', onAbort, { once: true });
  await Promise.race([cli.output.room(), aborted.promise]);
  signal?.removeEventListener('abort', onAbort);
}

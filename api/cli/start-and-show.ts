// Starts a run and shows it until it ends: the part that `run`, `fork` and `regenerate` share.
import { type Command, Option } from 'commander';
import type { StartRunView } from '../../workflows/contracts/run.ts';
import { type Client, ProblemError } from '../client/client.ts';
import { exitCodes } from './exit-codes.ts';
import type { Cli } from './surroundings.ts';
import { showAnswer } from './terminal/answer.ts';
import { type Attendant, createAttendant } from './terminal/attendant.ts';
import { followRun } from './terminal/follow-run.ts';
import { createRenderer } from './terminal/renderer.ts';

export type Start = (client: Client, signal?: AbortSignal) => Promise<StartRunView>;

/** How it is shown, as options say. */
export interface Shown {
  attended?: boolean;
  detach?: boolean;
  quiet?: boolean;
  json?: boolean;
}

export function withShown(command: Command): Command {
  return command
    .option('--attended', 'a person is there to answer: what policy asks about waits')
    .option('--no-attended', 'no person is there: what policy asks about is denied')
    .option('--detach', 'return as soon as it is accepted')
    .addOption(
      new Option('--quiet', 'only the answer goes to stdout, all else to stderr').conflicts([
        'json',
        'detach',
      ]),
    )
    .option('--json', 'one event a line as JSON; what comes home at the end as {rewind} behind them');
}

/** A person is there, unless an option says otherwise: both ends are a terminal, and it is not told to be quiet. */
export function isAttended(cli: Cli, options: Shown): boolean {
  return options.attended ?? (cli.terminal !== undefined && !options.quiet);
}

export function startAndShow(cli: Cli, start: Start, options: Shown): Promise<number> {
  return options.quiet ? showQuietly(cli, start, options) : show(cli, start, options);
}

/** Draws the run on stderr; when it has ended, its answer alone goes to stdout. */
async function showQuietly(cli: Cli, start: Start, options: Shown): Promise<number> {
  let runId: string | undefined;
  const aside: Cli = { ...cli, output: cli.output.aside };
  const code = await show(aside, start, options, (id) => {
    runId = id;
  });
  if (runId === undefined || code === exitCodes.left) return code;
  const { finalMessage } = await cli.client().run(runId);
  if (finalMessage !== null) showAnswer(cli.output, finalMessage);
  return code;
}

async function show(
  cli: Cli,
  start: Start,
  options: Shown,
  onAccepted?: (runId: string) => void,
): Promise<number> {
  const client = cli.client();
  if (options.detach) {
    const accepted = await start(client);
    if (options.json) cli.output.json(accepted);
    else cli.output.line(accepted.id);
    return exitCodes.ok;
  }
  const leaving = new AbortController();
  let onInterrupt = (): void => leaving.abort();
  let attendant: Attendant | undefined;
  const onCtrlC = (): void => {
    attendant?.dismiss();
    onInterrupt();
  };
  const stopListening = cli.onInterrupt(onCtrlC);
  try {
    const accepted = await start(client, leaving.signal).catch((error: unknown) => {
      if (!leaving.signal.aborted) throw error;
      return undefined;
    });
    if (accepted === undefined) {
      cli.output.remark(
        'Stopped before the server answered: the run may have been accepted; see `perdure status`.',
      );
      return exitCodes.left;
    }
    onAccepted?.(accepted.id);
    const renderer = createRenderer(cli.output);
    const say = options.json ? cli.output.remark : renderer.note;
    const { output, terminal } = cli;
    if (terminal && !options.json && !options.quiet && isAttended(cli, options)) {
      attendant = createAttendant({ output, terminal, client, renderer, onCtrlC });
    }
    onInterrupt = () => {
      onInterrupt = () => leaving.abort();
      say('interrupting; Ctrl-C once more leaves the run running');
      void interrupt(client, accepted.id, say);
    };
    const json = options.json === true;
    const how = { json, signal: leaving.signal, renderer: attendant ?? renderer };
    return await followRun(cli, client, accepted.id, how);
  } finally {
    await attendant?.close();
    stopListening();
  }
}

async function interrupt(client: Client, runId: string, say: (text: string) => void): Promise<void> {
  try {
    await client.interrupt(runId);
  } catch (error) {
    // It ended by itself in the meantime: the stream is about to say so.
    if (error instanceof ProblemError && (error.status === 404 || error.status === 409)) return;
    say(`the interrupt did not get through: ${error instanceof Error ? error.message : String(error)}`);
  }
}

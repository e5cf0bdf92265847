// `perdure run`: starts a run and shows it until it ends.
import { Command, Option } from 'commander';
import type {
  ExecMode,
  OverBudget,
  Priority,
  RunLimits,
  StartRunBody,
  WhenBusy,
} from '../../../workflows/contracts/run.ts';
import { type Client, ProblemError } from '../../client/client.ts';
import { type Attendant, createAttendant } from '../terminal/attendant.ts';
import { exitCodes } from '../exit-codes.ts';
import { showAnswer } from '../terminal/answer.ts';
import { latestConversation } from '../continued.ts';
import { followRun } from '../terminal/follow-run.ts';
import { idOf } from '../known-by.ts';
import { readPrompt } from '../prompt-source.ts';
import { dollars, keyValue, positiveInteger } from '../parse.ts';
import { chooseProject } from '../project-choice.ts';
import { createRenderer } from '../terminal/renderer.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

const sandboxes: readonly ExecMode[] = ['mount', 'bubblewrap', 'sandbox'];

interface RunOptions {
  project?: string;
  model?: string;
  policy?: string;
  attended?: boolean;
  overBudget?: OverBudget;
  sandbox?: ExecMode;
  acceptNoContainment?: boolean;
  limitSteps?: number;
  limitSeconds?: number;
  limitCost?: number;
  limitTokens?: number;
  maxOutputTokens?: number;
  priority?: Priority;
  conversation?: string;
  continue?: boolean;
  owner?: string;
  whenBusy?: WhenBusy;
  metadata?: Record<string, string>;
  detach?: boolean;
  quiet?: boolean;
  json?: boolean;
}

const notes = `
Without --project it works in this directory, when the server is on this machine. With --conversation or
--continue it keeps the directory, model, policy and limits of the run before it, unless an option says otherwise.

Without --attended or --no-attended a run is attended when both stdin and stdout are a terminal and --quiet is not given.
What it waits for is then asked here, unless --json or --detach is given; \`perdure approve\` and \`perdure deny\` answer
from anywhere.
Ctrl-C once interrupts the run; a second time leaves it running.`;

export function runCommand(cli: Cli): Command {
  return new Command('run')
    .addHelpText(
      'after',
      exampleHelp(
        'perdure run "Make the failing test pass."\n  git diff | perdure run - --quiet > review.md',
      ),
    )
    .description('start a run and show it until it ends')
    .argument('[prompt]', 'what the agent is to do; - reads it from stdin, up to Ctrl-D at a terminal')
    .option('--project <dir>', 'the directory it works in; "none" for a scratch folder')
    .option('--model <provider/model>', 'the model that answers; see `perdure models`')
    .option(
      '--policy <name>',
      'what it may do (default: ask-before-changes if attended, else headless-safe-sandbox)',
    )
    .option('--attended', 'a person is there to answer: what policy asks about waits')
    .option('--no-attended', 'no person is there: what policy asks about is denied')
    .addOption(
      new Option('--sandbox <kind>', 'where its commands run; see `perdure status`').choices(sandboxes),
    )
    .option('--accept-no-containment', 'run it though its policy requires a sandbox that contains')
    .option('--limit-steps <n>', 'model calls it may make', positiveInteger)
    .option('--limit-seconds <n>', 'wall time it may take', positiveInteger)
    .option('--limit-cost <dollars>', 'money it may spend', dollars)
    .option('--limit-tokens <n>', 'tokens it may use', positiveInteger)
    .addOption(
      new Option(
        '--over-budget <what>',
        'at a limit of money: ask and wait, or fail (default: an attended run pauses, another fails)',
      ).choices(['pause', 'fail']),
    )
    .option('--max-output-tokens <n>', 'tokens one answer of its model may have', positiveInteger)
    .addOption(new Option('--priority <level>').choices(['critical', 'high', 'normal', 'low']))
    .option('--conversation <id>', 'continue this conversation')
    .addOption(
      new Option(
        '--continue',
        'continue the latest conversation of exactly this directory; of all directories with --project none',
      ).conflicts('conversation'),
    )
    .option('--owner <key>', 'whom it counts for: it draws from the allowance owner/<key> too')
    .addOption(
      new Option('--when-busy <what>', 'when the conversation has an active run').choices([
        'reject',
        'queue',
        'steer',
        'interrupt',
      ]),
    )
    .option('--metadata <key=value>', 'a label of your own; may be repeated', keyValue)
    .option('--detach', 'return as soon as it is accepted')
    .addOption(
      new Option('--quiet', 'only the answer goes to stdout, all else to stderr').conflicts([
        'json',
        'detach',
      ]),
    )
    .option('--json', 'one event a line as JSON')
    .addHelpText('after', notes)
    .action(async (given: string | undefined, options: RunOptions) => {
      const { stdin, terminal, output } = cli;
      const prompt = await readPrompt(given, { stdin, remark: output.remark, ...(terminal && { terminal }) });
      if (prompt === undefined) return cli.exitWith(exitCodes.left);
      const body = toBody(cli, prompt, await withConversation(cli, options));
      if (!options.quiet) return cli.exitWith(await run(cli, body, options));
      cli.exitWith(await runQuietly(cli, body, options));
    });
}

function toBody(cli: Cli, prompt: string, options: RunOptions): StartRunBody {
  const limits: RunLimits = {
    ...(options.limitSteps && { steps: options.limitSteps }),
    ...(options.limitSeconds && { seconds: options.limitSeconds }),
    ...(options.limitCost && { costMicros: options.limitCost }),
    ...(options.limitTokens && { tokens: options.limitTokens }),
    ...(options.maxOutputTokens && { maxOutputTokens: options.maxOutputTokens }),
  };
  const project = chooseProject(cli, options);
  return {
    prompt,
    attended: isAttended(cli, options),
    ...(project !== undefined && { project }),
    ...(options.overBudget && { overBudget: options.overBudget }),
    ...(options.model !== undefined && { model: options.model }),
    ...(options.policy !== undefined && { policy: options.policy }),
    ...(options.sandbox && { execMode: options.sandbox }),
    ...(options.acceptNoContainment && { acceptNoContainment: true }),
    ...(options.priority && { priority: options.priority }),
    ...(options.conversation !== undefined && { conversationId: options.conversation }),
    ...(options.owner !== undefined && { owner: options.owner }),
    ...(options.whenBusy && { whenBusy: options.whenBusy }),
    ...(options.metadata && { metadata: options.metadata }),
    ...(Object.keys(limits).length > 0 && { limits }),
  };
}

function isAttended(cli: Cli, options: RunOptions): boolean {
  return options.attended ?? (cli.terminal !== undefined && !options.quiet);
}

/** The options with the whole id of the conversation; --continue keeps its project. */
async function withConversation(cli: Cli, options: RunOptions): Promise<RunOptions> {
  const { conversation, project, ...rest } = options;
  if (options.continue) return { ...rest, conversation: await latestConversation(cli, project) };
  if (conversation === undefined) return options;
  return { ...options, conversation: await idOf(cli, conversation, 'conversation') };
}

/** Draws the run on stderr; when it has ended, its answer alone goes to stdout. */
async function runQuietly(cli: Cli, body: StartRunBody, options: RunOptions): Promise<number> {
  let runId: string | undefined;
  const aside: Cli = { ...cli, output: cli.output.aside };
  const code = await run(aside, body, options, (id) => {
    runId = id;
  });
  if (runId === undefined || code === exitCodes.left) return code;
  const { finalMessage } = await cli.client().run(runId);
  if (finalMessage !== null) showAnswer(cli.output, finalMessage);
  return code;
}

async function run(
  cli: Cli,
  body: StartRunBody,
  options: RunOptions,
  onAccepted?: (runId: string) => void,
): Promise<number> {
  const client = cli.client();
  if (options.detach) {
    const accepted = await client.startRun(body);
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
    const accepted = await client.startRun(body, leaving.signal).catch((error: unknown) => {
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

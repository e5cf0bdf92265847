// What `run` and `chat` say of the runs that they start: the options, and the request that is made of them.
import { type Command, Option } from 'commander';
import type { ContainerRef } from '../../workflows/contracts/container.ts';
import type {
  AskedMode,
  OverBudget,
  Priority,
  RunLimits,
  StartRunBody,
  WhenBusy,
} from '../../workflows/contracts/run.ts';
import type { WakeUp } from '../../workflows/contracts/delegation.ts';
import { latestConversation } from './continued.ts';
import { idOf } from './known-by.ts';
import { containerRef, dollars, keyValue, positiveInteger, sandboxes } from './parse.ts';
import { chooseProject, noExecutor } from './project-choice.ts';
import { UsageError } from './server.ts';
import { isAttended } from './start-and-show.ts';
import type { Cli } from './surroundings.ts';

export interface StartOptions {
  preset?: string;
  variable?: Record<string, string>;
  project?: string;
  workspace?: string;
  model?: string;
  policy?: string;
  attended?: boolean;
  overBudget?: OverBudget;
  sandbox?: AskedMode;
  container?: ContainerRef;
  executor?: string;
  ownTree?: boolean;
  inPlace?: boolean;
  acceptNoContainment?: boolean;
  limitSteps?: number;
  limitSeconds?: number;
  limitCost?: number;
  limitTokens?: number;
  maxOutputTokens?: number;
  priority?: Priority;
  conversation?: string;
  continue?: boolean;
  from?: string;
  owner?: string;
  whenBusy?: WhenBusy;
  wakeUp?: WakeUp;
  metadata?: Record<string, string>;
  quiet?: boolean;
}

export function startOptions(command: Command): Command {
  command
    .option('--project <dir>', 'the directory it works in; "none" for a scratch folder')
    .addOption(
      new Option(
        '--workspace <id>',
        'the workspace in the place of a directory: it works in the first of its directories and can read the others',
      ).conflicts('project'),
    )
    .option('--preset <name>', 'what it goes by where no option says otherwise; "none" for none')
    .option('--variable <name=value>', 'for the instructions of its preset; may be repeated', keyValue)
    .option('--model <provider/model>', 'the model that answers; see `perdure models`')
    .option(
      '--policy <name>',
      'what it may do (default: ask-before-changes if attended, else headless-safe-sandbox)',
    );
  return addLimits(addPlace(command))
    .addOption(new Option('--priority <level>').choices(['critical', 'high', 'normal', 'low']))
    .option('--conversation <id>', 'continue this conversation')
    .addOption(
      new Option(
        '--continue',
        'continue the latest conversation of exactly this directory; of all directories with --project none',
      ).conflicts('conversation'),
    )
    .option(
      '--from <run>',
      'go on from this earlier run of the conversation: what was said after it stays readable, and is in no context any more',
    )
    .option('--owner <key>', 'whom it counts for: it draws from the allowance owner/<key> too')
    .addOption(
      new Option(
        '--wake-up <how>',
        'end while subagents are at work; go on with their reports by `perdure fire` or by itself',
      ).choices(['manual', 'auto']),
    )
    .option('--metadata <key=value>', 'a label of your own; may be repeated', keyValue);
}

/** Where it works, and in what. */
function addPlace(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--sandbox <kind>',
        'where its commands run (default: in the directory itself, uncontained); see `perdure status`. hybrid: contained, on ' +
          'a copy that comes home when the run succeeds',
      ).choices(sandboxes),
    )
    .addOption(
      new Option(
        '--container <id[:dir]>',
        'run commands in a container of yours, which must show the directory; it contains nothing of its own',
      )
        .argParser(containerRef)
        .conflicts(['sandbox', 'ownTree']),
    )
    .option(
      '--executor <name>',
      'act on the machine of this executor, where --project is; "none" for that of the server; see `perdure executors`',
    )
    .option(
      '--own-tree',
      'work on a copy of the directory, as --sandbox sandbox does; `perdure apply` brings the changes home',
    )
    .addOption(new Option('--in-place', 'work in the directory itself').conflicts(['ownTree']))
    .option('--accept-no-containment', 'run it though its policy requires a sandbox that contains');
}

function addLimits(command: Command): Command {
  return command
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
    .option('--max-output-tokens <n>', 'tokens one answer of its model may have', positiveInteger);
}

export function toBody(cli: Cli, prompt: string, options: StartOptions): StartRunBody {
  const limits: RunLimits = {
    ...(options.limitSteps && { steps: options.limitSteps }),
    ...(options.limitSeconds && { seconds: options.limitSeconds }),
    ...(options.limitCost && { costMicros: options.limitCost }),
    ...(options.limitTokens && { tokens: options.limitTokens }),
    ...(options.maxOutputTokens && { maxOutputTokens: options.maxOutputTokens }),
  };
  const project = chooseProject(cli, options);
  const attended = isAttended(cli, options);
  return {
    prompt,
    attended,
    ...(project !== undefined && { project }),
    ...(options.workspace !== undefined && { workspace: options.workspace }),
    ...(options.overBudget && { overBudget: options.overBudget }),
    ...(options.wakeUp && { wakeUp: options.wakeUp }),
    ...(options.preset !== undefined && { preset: options.preset === 'none' ? null : options.preset }),
    ...(options.variable && { variables: options.variable }),
    ...(options.model !== undefined && { model: options.model }),
    ...(options.policy !== undefined && { policy: options.policy }),
    ...(options.sandbox && { execMode: options.sandbox }),
    ...(options.container && { container: options.container }),
    ...(options.executor !== undefined && {
      executor: options.executor === noExecutor ? null : options.executor,
    }),
    ...(options.ownTree && { workTree: 'own' as const }),
    ...((options.inPlace || isHere(options, attended, project)) && { workTree: 'in-place' as const }),
    ...(options.acceptNoContainment && { acceptNoContainment: true }),
    ...(options.priority && { priority: options.priority }),
    ...(options.conversation !== undefined && { conversationId: options.conversation }),
    ...(options.from !== undefined && { fromRunId: options.from }),
    ...(options.owner !== undefined && { owner: options.owner }),
    ...(options.whenBusy && { whenBusy: options.whenBusy }),
    ...(options.metadata && { metadata: options.metadata }),
    ...(Object.keys(limits).length > 0 && { limits }),
  };
}

/** A command in a pipe works in its directory as well, though no person sees it: a server would give such a run a copy. */
function isHere(options: StartOptions, attended: boolean, project: StartRunBody['project']): boolean {
  const { sandbox, ownTree, conversation, workspace, executor } = options;
  const isElsewhere = executor !== undefined && executor !== noExecutor;
  const hasPlace = project != null || workspace !== undefined;
  return !attended && hasPlace && !sandbox && !ownTree && !isElsewhere && conversation === undefined;
}

/** The options with the whole ids of the conversation and of the run to go on from; --continue keeps its project. */
export async function withConversation(cli: Cli, options: StartOptions): Promise<StartOptions> {
  const { conversation, project, from, ...rest } = options;
  if (conversation === undefined && !options.continue) {
    if (from === undefined) return options;
    throw new UsageError(
      '--from goes with --conversation or --continue; `perdure fork` begins a conversation of its own from a run.',
    );
  }
  const fromRun = from === undefined ? {} : { from: await idOf(cli, from, 'run') };
  if (options.continue) return { ...rest, ...fromRun, conversation: await latestConversation(cli, project) };
  return { ...options, ...fromRun, conversation: await idOf(cli, conversation ?? '', 'conversation') };
}

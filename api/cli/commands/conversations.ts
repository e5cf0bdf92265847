// `perdure conversations`: which conversations there are, what was said in one, and what is changed of it.
import { Command, Option } from 'commander';
import type {
  ChangeConversationBody,
  ConversationView,
  TurnView,
} from '../../../workflows/contracts/conversation.ts';
import type { WakeUp } from '../../../workflows/contracts/delegation.ts';
import { idHelp, idOf } from '../known-by.ts';
import { readPages } from '../pages.ts';
import { keyValue, positiveInteger } from '../parse.ts';
import { UsageError } from '../server.ts';
import { showAnswer } from '../terminal/answer.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { toAge } from '../terminal/figures.ts';
import { printable, printableLine } from '../terminal/printable.ts';
import { shortId } from '../terminal/short-id.ts';
import { firstWords, tableOf } from '../terminal/table.ts';
import type { Cli } from '../surroundings.ts';

export function conversationsCommand(cli: Cli): Command {
  const command = new Command('conversations')
    .addHelpText('after', exampleHelp('perdure conversations --limit 5'))
    .description('list conversations, read what was said in one, or change it');
  return command
    .addCommand(listCommand(cli), { isDefault: true })
    .addCommand(turnsCommand(cli))
    .addCommand(changeCommand(cli));
}

interface ListOptions {
  archived?: boolean;
  metadata?: Record<string, string>;
  limit: number;
  json?: boolean;
}

function listCommand(cli: Cli): Command {
  return new Command('list')
    .addHelpText('after', exampleHelp('perdure conversations list --metadata ticket=12'))
    .description('list the conversations, the latest activity first')
    .option('--archived', 'only archived ones')
    .option('--metadata <key=value>', 'only those with this label; may be repeated', keyValue)
    .option('--limit <n>', 'so many at most', positiveInteger, 20)
    .option('--json')
    .action(async ({ limit, json, ...filters }: ListOptions) => {
      const list = await readPages(limit, (page) => cli.client().conversations({ ...page, ...filters }));
      if (json) return cli.output.json(list);
      if (list.items.length === 0) return cli.output.line('There are none.');
      const rows = list.items.map(({ id, lastActivityAt, activeRunId, title }) => [
        shortId(id),
        toAge(lastActivityAt),
        activeRunId && shortId(activeRunId),
        firstWords(title, cli.output.isTerminal ? 60 : 200),
      ]);
      cli.output.line(tableOf(cli.output, ['CONVERSATION', 'LAST', 'ACTIVE RUN', 'TITLE'], rows));
      if (list.nextCursor !== null)
        cli.output.remark(`There are more; these are the latest ${limit}: see --limit.`);
    });
}

function turnsCommand(cli: Cli): Command {
  return new Command('turns')
    .addHelpText('after', exampleHelp('perdure conversations turns last'))
    .description('what people said and what was answered, the latest turns in order')
    .argument('<conversation>', idHelp('conversation'))
    .option('--limit <n>', 'so many at most', positiveInteger, 20)
    .option('--json')
    .action(async (given: string, { limit, json }: { limit: number; json?: boolean }) => {
      const id = await idOf(cli, given, 'conversation');
      const turns = await readPages(limit, (page) => cli.client().turns(id, page));
      if (json) return cli.output.json(turns);
      for (const turn of turns.items.toReversed()) {
        const { runId, status, parked, prompt, answer } = turn;
        cli.output.line(cli.output.colors.bold(`run ${shortId(runId)} · ${parked ? 'parked' : status}`));
        for (const line of toBranches(turn)) cli.output.line(cli.output.colors.dim(line));
        cli.output.line(printable(`» ${prompt}`));
        if (answer !== null) showAnswer(cli.output, answer);
        cli.output.line();
      }
      if (turns.nextCursor !== null)
        cli.output.remark(`There are more; these are the latest ${limit}: see --limit.`);
    });
}

/** Where it stands when the conversation does not simply go through it. */
function toBranches({ inContext, alternatives, forks, endedAt }: TurnView): string[] {
  const runs = alternatives.map(shortId).join(', ');
  const others = forks.map(({ conversationId }) => shortId(conversationId)).join(', ');
  return [
    ...(endedAt !== null && !inContext ? ['  not in the context of the next message'] : []),
    ...(alternatives.length > 0 ? [`  the same message is answered by run ${runs}`] : []),
    ...(forks.length > 0 ? [`  conversations that go on from here: ${others}`] : []),
  ];
}

interface ChangeOptions {
  title?: string;
  metadata?: Record<string, string>;
  withoutMetadata?: string[];
  archive?: boolean;
  preset?: string;
  model?: string;
  policy?: string;
  clearSettings?: boolean;
  wakeUp?: WakeUp | 'none';
  wakeUpSeconds?: number;
  json?: boolean;
}

function changeCommand(cli: Cli): Command {
  return new Command('change')
    .addHelpText('after', exampleHelp('perdure conversations change last --title "The cart" --preset coder'))
    .description('change the title, the labels and what the next runs go by, or archive it')
    .argument('<conversation>', idHelp('conversation'))
    .option('--title <text>', 'what lists show')
    .option('--metadata <key=value>', 'a label; may be repeated', keyValue)
    .option('--without-metadata <keys...>', 'labels that are taken away')
    .option('--archive', 'leave it out of lists until its next message')
    .option('--no-archive', 'bring it back')
    .option('--preset <name>', 'what its next runs go by that name none; "none" for none')
    .option('--model <provider/model>', 'the model of its next runs')
    .option('--policy <name>', 'what its next runs may do')
    .addOption(
      new Option(
        '--wake-up <how>',
        'its runs end while subagents are at work, and it goes on with their reports by `perdure fire` or by itself; none: ' +
          'they stay',
      ).choices(['manual', 'auto', 'none']),
    )
    .option('--wake-up-seconds <n>', 'how long it waits for them before it goes on without', positiveInteger)
    .option('--clear-settings', 'first take away preset, model, policy and all else that its next runs go by')
    .option('--json')
    .action(async (given: string, options: ChangeOptions) => {
      const id = await idOf(cli, given, 'conversation');
      const changed = await cli.client().changeConversation(id, await toBody(cli, id, options));
      if (options.json) return cli.output.json(changed);
      show(cli, changed);
    });
}

async function toBody(cli: Cli, id: string, options: ChangeOptions): Promise<ChangeConversationBody> {
  const { title, metadata, withoutMetadata = [], archive, preset, model, policy, clearSettings } = options;
  const { wakeUp, wakeUpSeconds } = options;
  const removed = Object.fromEntries(withoutMetadata.map((key) => [key, null]));
  const said = {
    ...(preset !== undefined && { preset: preset === 'none' ? null : preset }),
    ...(model !== undefined && { model }),
    ...(policy !== undefined && { policy }),
  };
  const changesSettings = clearSettings || Object.keys(said).length > 0;
  const before = changesSettings && !clearSettings ? (await cli.client().conversation(id)).settings : {};
  const body: ChangeConversationBody = {
    ...(title !== undefined && { title }),
    ...((metadata || withoutMetadata.length > 0) && { metadata: { ...removed, ...metadata } }),
    ...(archive !== undefined && { archived: archive }),
    ...(wakeUp !== undefined && { wakeUp: wakeUp === 'none' ? null : wakeUp }),
    ...(wakeUpSeconds !== undefined && { wakeUpSeconds }),
    ...(changesSettings && { settings: { ...before, ...said } }),
  };
  if (Object.keys(body).length === 0) throw new UsageError('Say what to change: see --help.');
  return body;
}

function show({ output }: Cli, conversation: ConversationView): void {
  const { id, title, metadata, settings, archivedAt, wakeUp, wakeUpSeconds } = conversation;
  const { preset, model, policy } = settings;
  const goesBy = [
    preset === undefined ? undefined : `preset ${preset ?? 'none'}`,
    model && `model ${model}`,
    policy && `policy ${policy}`,
  ].filter((each) => each !== undefined);
  output.line(`${shortId(id)} ${printableLine(title, 200)}${archivedAt === null ? '' : ' (archived)'}`);
  const labels = Object.entries(metadata).map(([key, value]) => `${key}=${value}`);
  if (labels.length > 0) output.line(`  labels: ${printableLine(labels.join(', '), 1000)}`);
  if (wakeUp !== null) {
    const within = wakeUpSeconds === null ? 'an hour' : `${wakeUpSeconds} seconds`;
    output.line(`  wakes up: ${wakeUp}${wakeUp === 'auto' ? `, within ${within}` : ''}`);
  }
  if (goesBy.length > 0) output.line(`  its next runs: ${printableLine(goesBy.join(', '), 500)}`);
}

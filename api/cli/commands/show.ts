// `perdure show`: all there is to know about a run at one look, or what was said in a conversation.
import { Command } from 'commander';
import type { CallListView, CallView } from '../../../workflows/contracts/call.ts';
import type { ConversationDetailView } from '../../../workflows/contracts/conversation.ts';
import type { RunView } from '../../../workflows/contracts/run.ts';
import { find } from '../known-by.ts';
import { showAnswer } from '../terminal/answer.ts';
import { plural, toAge, toDuration } from '../terminal/figures.ts';
import { printable, printableLine } from '../terminal/printable.ts';
import { toLimitWords } from '../terminal/configuration-lines.ts';
import { toRunMoney } from '../terminal/run-money.ts';
import { shortId } from '../terminal/short-id.ts';
import { fieldsOf, tableOf } from '../terminal/table.ts';
import { toState } from './runs.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

// The most that the API gives at once; --json says where the rest goes on.
const mostCalls = 200;

export function showCommand(cli: Cli): Command {
  return new Command('show')
    .addHelpText('after', exampleHelp('perdure show last'))
    .description('show a run: what it was told, what it did and what it cost; or a conversation')
    .argument(
      '<id>',
      'of a run or a conversation: as printed, the first letters of that, or last (the newest run)',
    )
    .option('--json')
    .action(async (given: string, { json }: { json?: boolean }) => {
      const { id, kind } = await find(cli, given, ['run', 'conversation']);
      const client = cli.client();
      if (kind === 'conversation') {
        const conversation = await client.conversation(id);
        return json ? cli.output.json(conversation) : showConversation(cli, conversation);
      }
      const [run, calls] = await Promise.all([client.run(id), client.calls(id, { limit: mostCalls })]);
      const children = run.subagents === 0 ? [] : (await client.children(id)).items;
      return json ? cli.output.json({ ...run, calls, children }) : showRun(cli, run, calls, children);
    });
}

function showRun(cli: Cli, run: RunView, calls: CallListView, children: RunView[]): void {
  const { output } = cli;
  const { bold } = output.colors;
  const section = (title: string): void => {
    output.line();
    output.line(bold(title));
  };
  output.line(fieldsOf(output, [...toIdentity(run), ...toConfiguration(run), ...toFigures(run)]));
  section('Prompt');
  output.line(printable(run.prompt));
  if (calls.items.length > 0) {
    section('Calls');
    output.line(tableOf(output, ['CALL', 'TOOL', 'STATUS', 'TOOK', 'WHAT'], calls.items.map(toCallRow)));
    if (calls.nextCursor !== null) output.remark(`There are more; these are the first ${mostCalls}.`);
  }
  showNetwork(cli, calls.items);
  if (children.length > 0) {
    section('Subagents');
    output.line(tableOf(output, ['NAME', 'STATUS', 'STEPS', 'MONEY', 'RUN'], toTree(run, children)));
  }
  showDenied(cli, run, calls.items);
  if (run.finalMessage === null) return;
  section('Answer');
  showAnswer(output, run.finalMessage);
}

function toIdentity(run: RunView): [string, string][] {
  const state = [toState(run), ...(run.stuck === null ? [] : [run.stuck])].join(': ');
  const reason = run.reason === null || run.reason === 'finished' ? [] : [run.reasonText ?? run.reason];
  return [
    ['run', `${shortId(run.id)} ${run.id}`],
    ['conversation', `${shortId(run.conversationId)} ${run.conversationId}`],
    ...(run.delegation === null
      ? []
      : [
          [
            'subagent',
            `${run.delegation.name}, of run ${shortId(run.delegation.runId)}, call ${run.delegation.callId}`,
          ] as [string, string],
        ]),
    ...(run.parentId === null ? [] : [['continues', `run ${shortId(run.parentId)}`] as [string, string]]),
    ...(run.alternativeOf === null
      ? []
      : [['answers anew', `the message of run ${shortId(run.alternativeOf)}`] as [string, string]]),
    ['status', [state, ...reason].join(' · ')],
    ['accepted', `${run.createdAt} (${toAge(run.createdAt)})`],
  ];
}

/** Each below the one that asked for it. */
function toTree(above: RunView, children: RunView[], indent = ''): string[][] {
  return children
    .filter(({ delegation }) => delegation?.runId === above.id)
    .flatMap((run) => [
      [`${indent}${run.delegation?.name}`, toState(run), String(run.steps), toRunMoney(run), shortId(run.id)],
      ...toTree(run, children, `${indent}· `),
    ]);
}

function toConfiguration(run: RunView): [string, string][] {
  const { project, model, policy, priority, attended, limits, metadata, acceptNoContainment } = run;
  const labels = Object.entries(metadata).map(([key, value]) => `${key}=${value}`);
  return [
    ['project', project?.path ?? 'none: a scratch folder of its own'],
    ['model', model],
    ['policy', `${policy}${acceptNoContainment ? ', accepted that nothing contains it' : ''}`],
    ['limits', toLimitWords(limits).join(', ') || 'those of its policy'],
    ['priority', priority],
    [
      'attended',
      attended ? 'yes: what policy asks about waits for a person' : 'no: what policy asks about is denied',
    ],
    ...(labels.length === 0 ? [] : [['metadata', labels.join(', ')] as [string, string]]),
  ];
}

function toFigures(run: RunView): [string, string][] {
  const { steps, usage, startedAt, endedAt } = run;
  const until = endedAt === null ? Date.now() : Date.parse(endedAt);
  const took = startedAt === null ? 'not started' : toDuration(Math.max(0, until - Date.parse(startedAt)));
  const [put, cached, got] = [usage.inputTokens, usage.cachedInputTokens, usage.outputTokens].map((count) =>
    count.toLocaleString('en'),
  );
  return [
    ['took', took],
    ['steps', String(steps)],
    ['tokens', `${put} in (${cached} of them cached), ${got} out`],
    ['money', toRunMoney(run)],
  ];
}

function toCallRow({
  callId,
  tool,
  status,
  settled,
  startedAt,
  endedAt,
  runs,
  subject,
  input,
}: CallView): string[] {
  const took =
    startedAt === null || endedAt === null ? '-' : toDuration(Date.parse(endedAt) - Date.parse(startedAt));
  const what = runs ?? (subject === '' ? toInputText(input) : subject);
  return [callId, tool, settled === null ? status : `settled: ${settled.replace('_', ' ')}`, took, what];
}

/** Arguments that are no JSON are kept as the text that the model wrote. */
function toInputText(input: CallView['input']): string {
  return typeof input === 'string' ? input : JSON.stringify(input);
}

/** What contained commands reached, and what they asked for in vain. */
function showNetwork({ output }: Cli, calls: readonly CallView[]): void {
  const rows = calls.flatMap(({ callId, network }) =>
    network.map(({ host, port, connections, sentBytes, receivedBytes, problem }) => [
      callId,
      `${host}:${port}`,
      ...[connections, sentBytes, receivedBytes].map((count) => count.toLocaleString('en')),
      problem ?? '',
    ]),
  );
  if (rows.length === 0) return;
  output.line();
  output.line(output.colors.bold('Network'));
  const head = ['CALL', 'HOST', 'CONNECTIONS', 'BYTES SENT', 'RECEIVED', 'NOT REACHED'];
  output.line(tableOf(output, head, rows));
}

/** For a run under way, the calls denied so far. */
function showDenied(cli: Cli, { deniedCalls }: RunView, calls: CallView[]): void {
  const { line, colors, remark } = cli.output;
  const denied = deniedCalls?.items ?? calls.filter(({ status }) => status === 'denied');
  const count = deniedCalls?.count ?? denied.length;
  if (count === 0) return;
  line();
  line(colors.bold(`${plural(count, 'call')} denied`));
  const rows = denied.map(({ callId, tool, subject, reason }) => [callId, `${tool} ${subject}`, reason]);
  line(tableOf(cli.output, ['CALL', 'WHAT', 'WHY'], rows));
  if (count > denied.length) remark(`There are ${count - denied.length} more.`);
}

function showConversation(cli: Cli, conversation: ConversationDetailView): void {
  const { output } = cli;
  const { id, title, activeRunId, createdAt, lastActivityAt, runs } = conversation;
  output.line(
    fieldsOf(output, [
      ['conversation', `${shortId(id)} ${id}`],
      ['title', title],
      ['begun', `${createdAt} (${toAge(createdAt)})`],
      ['last activity', `${lastActivityAt} (${toAge(lastActivityAt)})`],
      ['active run', activeRunId === null ? 'none' : shortId(activeRunId)],
    ]),
  );
  for (const run of runs.toReversed()) {
    output.line();
    const title = `run ${shortId(run.id)} · ${toAge(run.createdAt)} · ${toState(run)} · ${printableLine(run.model, 80)}`;
    output.line(output.colors.bold(title));
    output.line(`${output.colors.magenta('»')} ${printable(run.prompt)}`);
    if (run.finalMessage !== null) showAnswer(output, run.finalMessage);
  }
}

// `perdure approvals`: what waits for a person, in all runs or in one.
import { Command, Option } from 'commander';
import type { ApprovalStatus, ApprovalView } from '../../../workflows/contracts/approval.ts';
import { toDuration } from '../terminal/figures.ts';
import { shortId } from '../terminal/short-id.ts';
import { tableOf } from '../terminal/table.ts';
import { printableLine } from '../terminal/printable.ts';
import { idOf } from '../known-by.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

const statuses = [
  'open',
  'approved',
  'denied',
  'expired',
  'withdrawn',
] as const satisfies readonly ApprovalStatus[];

interface ApprovalsOptions {
  run?: string;
  status: ApprovalStatus;
  all?: boolean;
  json?: boolean;
}

export function approvalsCommand(cli: Cli): Command {
  return new Command('approvals')
    .addHelpText('after', exampleHelp('perdure approvals --run last'))
    .description('list what waits for a person to answer')
    .option('--run <run>', 'only of this run')
    .addOption(new Option('--status <status>').choices(statuses).default('open'))
    .addOption(new Option('--all', 'the answered ones too').conflicts('status'))
    .option('--json')
    .action(async ({ run, status, all, json }: ApprovalsOptions) => {
      const runId = run && (await idOf(cli, run, 'run'));
      const list = await cli
        .client()
        .approvals({ limit: 200, ...(runId !== undefined && { runId }), ...(!all && { status }) });
      if (json) return cli.output.json(list);
      if (list.items.length > 0) cli.output.line(approvalTable(cli, list.items));
      else cli.output.line(!all && status === 'open' ? 'Nothing waits for an answer.' : 'There are none.');
      if (list.nextCursor !== null) cli.output.remark('There are more; these are the latest 200.');
    });
}

export function approvalTable(cli: Cli, approvals: ApprovalView[]): string {
  const now = Date.now();
  const rows = approvals.map((approval) => [
    shortId(approval.id),
    toDuration(Math.max(0, now - Date.parse(approval.createdAt))),
    stateOf(approval, now),
    shortId(approval.runId),
    toWhat(approval),
  ]);
  return tableOf(cli.output, ['ID', 'AGE', 'LEFT', 'RUN', 'WHAT'], rows);
}

/** The time left; once decided, the decision and who made it. */
function stateOf({ status, deadlineAt, decidedBy }: ApprovalView, now: number): string {
  if (status !== 'open') return `${status} by ${decidedBy ?? 'nobody'}`;
  return toDuration(Math.max(0, Date.parse(deadlineAt) - now));
}

function toWhat({ kind, text, runs, tool }: ApprovalView): string {
  switch (kind) {
    case 'call':
      return runs === null ? text : `${text} (runs as ${runs})`;
    case 'question':
      return `question: ${text}`;
    case 'result':
      return `your own tool: ${tool ?? text}`;
    case 'limit':
      return `limit: ${text}`;
  }
}

/** Says what has become of an approval that this command answered. */
export function sayDecided(cli: Cli, approval: ApprovalView, json: boolean | undefined): void {
  if (json) return cli.output.json(approval);
  const { status, edited, text } = approval;
  cli.output.line(`${status}${edited ? ' with other arguments' : ''}: ${printableLine(text, 500)}`);
}

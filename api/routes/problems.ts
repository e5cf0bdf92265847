// How errors appear in the description of a route.
import { type FailureCode, failures } from '../../workflows/contracts/failures.ts';
import { ProblemView } from '../../workflows/contracts/system.ts';

export const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: ProblemView } },
});

/** What the body of a problem carries besides, by its code. */
const carried: Partial<Record<FailureCode, string>> = {
  ConversationBusy: '`activeRunId` is that run',
  RunActive: '`activeRunId` is that run',
  ProjectBusy: '`activeRunId` is that run',
  RunNotActive: '`lastRunId` is that run',
  MailboxEmpty: '`lastRunId` is the run that was told the last report',
  HasDescendants: '`descendants` are those runs',
  VersionStale: '`version` is the newest one',
  ApprovalDecided: '`outcome` and `decidedBy` say how and by whom',
  AllowanceExceeded: '`pool`, `limit`, `allowed` and `used` say which, `endsAt` when it ends',
  EventsFolded: '`floor` is the last of them; `detail` says how to go on',
};

/** Answers of a route beside the usual ones, by the codes it refuses with. */
export function refusals(...codes: FailureCode[]) {
  const texts = new Map<number, string[]>();
  for (const code of codes) {
    const { status, title } = failures[code];
    const more = carried[code];
    const text = `\`${code}\`: ${title.charAt(0).toLowerCase()}${title.slice(1)}${more ? `; ${more}` : ''}.`;
    texts.set(status, [...(texts.get(status) ?? []), text]);
  }
  return Object.fromEntries([...texts].map(([status, lines]) => [status, problem(lines.join(' '))]));
}

/** An answer of JSON with a description of its own. */
export const jsonAnswer = <Schema>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
});

/** Spread into `response` of every route. */
export const problems = {
  '4xx': problem('The request was refused; `code` says why.'),
  '5xx': problem(
    'It could not be done now; try again when `code` is StoreUnavailable, ShuttingDown or DiskFull.',
  ),
};

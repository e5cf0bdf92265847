// What a person means by an id: as it is printed, its first letters, or `last`. Every command that takes an id asks here.
import type { FoundKind, FoundView } from '../../workflows/contracts/find.ts';
import { UsageError } from './server.ts';
import type { Cli } from './surroundings.ts';
import { toAge } from './terminal/figures.ts';
import { shortId } from './terminal/short-id.ts';
import { tableOf } from './terminal/table.ts';

const nouns: Record<FoundKind, { noun: string; list: string }> = {
  run: { noun: 'run', list: 'runs' },
  conversation: { noun: 'conversation', list: 'conversations' },
  approval: { noun: 'approval', list: 'approvals --all' },
  task: { noun: 'task', list: 'task list' },
  'dead-letter': { noun: 'dead letter', list: 'dead-letters' },
};

/** For the help of an argument that is an id. */
export function idHelp(kind: FoundKind): string {
  const { noun, list } = nouns[kind];
  return `the ${noun}: its id as printed, the first letters of that, or last; see \`perdure ${list}\``;
}

/** The whole id. */
export async function idOf(cli: Cli, given: string, kind: FoundKind): Promise<string> {
  const letters = withoutKind(given, [kind]);
  // The command's own request tells if it exists.
  if (isWhole(letters)) return letters.toLowerCase();
  return (await find(cli, given, [kind])).id;
}

/** The one item of these kinds; `last` is looked up in the first kind. */
export async function find(cli: Cli, named: string, kinds: [FoundKind, ...FoundKind[]]): Promise<FoundView> {
  const given = withoutKind(named, kinds);
  const wellFormed = /^[0-9a-f-]{4,36}$/i.test(given) && given.replaceAll('-', '').length >= 4;
  const isLast = given === 'last';
  if (!wellFormed && !isLast) {
    throw new UsageError(
      `"${given}" is no id: give it as it is printed, four or more of its first letters, or last.`,
    );
  }
  const asked = isLast ? kinds.slice(0, 1) : kinds;
  const lists = await Promise.all(asked.map((kind) => cli.client().find({ kind, id: given })));
  const found = lists.flatMap(({ items }) => items);
  const [only] = found;
  if (only === undefined) throw new Error(toNone(given, kinds));
  if (found.length > 1) throw new UsageError(`${toSeveral(given, only)}\n${toTable(cli, found)}`);
  return only;
}

/** The page and the names of streams say which kind it is: run/0198f3a2-…. */
function withoutKind(given: string, kinds: FoundKind[]): string {
  const [kind = '', ...rest] = given.split('/');
  return kinds.some((each) => each === kind) ? rest.join('/') : given;
}

function isWhole(given: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(given);
}

function toNone(given: string, kinds: [FoundKind, ...FoundKind[]]): string {
  const [{ noun, list }] = kinds.map((kind) => nouns[kind]) as [(typeof nouns)[FoundKind]];
  if (given === 'last') {
    const open = kinds[0] === 'approval' || kinds[0] === 'dead-letter' ? 'open ' : '';
    return `There is no ${open}${noun} yet.`;
  }
  const any = kinds.map((kind) => nouns[kind].noun).join(' or ');
  return `There is no ${any} ${given} among the newest; \`perdure ${list}\` lists them, and --json has whole ids.`;
}

function toSeveral(given: string, { kind }: FoundView): string {
  const which = given === 'last' ? 'More than one is open' : `"${given}" may mean more than one`;
  return `${which}; say which ${nouns[kind].noun}:`;
}

function toTable(cli: Cli, found: FoundView[]): string {
  // On stderr, beside the sentence.
  const { aside } = cli.output;
  const isAlike = new Set(found.map(({ id }) => shortId(id))).size < found.length;
  const rows = found.map(({ id, kind, createdAt, text }) => [
    isAlike ? id : shortId(id),
    nouns[kind].noun,
    toAge(createdAt),
    text,
  ]);
  return tableOf(aside, ['ID', 'WHAT', 'WHEN', 'TEXT'], rows);
}

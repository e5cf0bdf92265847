// `perdure tokens`: who may ask the API for anything. A value is printed once, by `create`, and never taken as an argument.
import { Command } from 'commander';
import type { TokenView } from '../../../workflows/contracts/token.ts';
import { exitCodes } from '../exit-codes.ts';
import { positiveInteger } from '../parse.ts';
import { processSideCommand } from '../process-side.ts';
import { UsageError } from '../server.ts';
import { shortId } from '../terminal/short-id.ts';
import { tableOf } from '../terminal/table.ts';
import { printableLine } from '../terminal/printable.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

interface ListOptions {
  all?: boolean;
  json?: boolean;
}

export function tokensCommand(cli: Cli): Command {
  const command = new Command('tokens')
    .addHelpText('after', exampleHelp('perdure tokens'))
    .description('make, list and revoke tokens of the API');
  command.addCommand(
    new Command('list')
      .addHelpText('after', exampleHelp('perdure tokens list --all'))
      .description('list the tokens that count')
      .option('--all', 'those too that are revoked or expired')
      .option('--json')
      .action((options: ListOptions) => list(cli, options)),
    { isDefault: true },
  );
  command.addCommand(
    new Command('create')
      .addHelpText('after', exampleHelp('perdure tokens create ci --expires-in-days 90 > ci.token'))
      .description('make a token and print its value, this once')
      .argument('<name>', 'who acts with it: the author in the audit')
      .option('--expires-in-days <n>', 'it counts for so long; else until it is revoked', positiveInteger)
      .option('--json')
      .addHelpText('after', '\nThe value alone goes to stdout: perdure tokens create ci > ci.token')
      .action((name: string, options: CreateOptions) => create(cli, name, options)),
  );
  command.addCommand(
    new Command('revoke')
      .addHelpText('after', exampleHelp('perdure tokens revoke ci'))
      .description('make a token count for nothing, at once; its open streams end')
      .argument('<token>', 'its name, or its id as printed')
      .option('--json')
      .action((token: string, options: { json?: boolean }) => revoke(cli, token, options)),
  );
  // The bootstrap carries it out, and only where these words come first.
  const remake = processSideCommand('tokens remake').action(() => {
    throw new UsageError('Call it without anything before it: perdure tokens remake [--data FOLDER].');
  });
  return command.addCommand(remake.allowUnknownOption());
}

interface CreateOptions {
  expiresInDays?: number;
  json?: boolean;
}

async function create(cli: Cli, name: string, { expiresInDays, json }: CreateOptions): Promise<void> {
  const { output } = cli;
  const client = cli.client();
  const made = await client.createToken({ name, ...(expiresInDays !== undefined && { expiresInDays }) });
  if (json) output.json(made);
  else output.line(made.value);
  // A value the user never got must open nothing.
  if (!(await output.flushed())) {
    await client.revokeToken(made.id);
    output.remark('perdure: The value could not be written, so the token is revoked again; make another.');
    return cli.exitWith(exitCodes.failed);
  }
  const until = made.expiresAt === null ? 'until it is revoked' : `until ${made.expiresAt}`;
  output.remark(`${printableLine(made.name, 100)} counts ${until}. ${made.note}`);
}

async function list(cli: Cli, { all, json }: ListOptions): Promise<void> {
  const { output } = cli;
  const page = await cli.client().tokens({ limit: 200, ...(all && { all }) });
  if (json) return output.json(page);
  const rows = page.items.map((token) => [
    shortId(token.id),
    token.name,
    token.state,
    token.createdAt,
    token.createdBy,
    token.expiresAt ?? 'never',
    token.lastUsedAt ?? 'never',
  ]);
  output.line(tableOf(output, ['ID', 'NAME', 'STATE', 'CREATED', 'BY', 'EXPIRES', 'LAST USED'], rows));
  if (page.nextCursor !== null) output.remark('There are more; these are the latest 200.');
}

async function revoke(cli: Cli, named: string, { json }: { json?: boolean }): Promise<void> {
  const { output } = cli;
  const client = cli.client();
  const revoked = await client.revokeToken(await tokenIdOf(cli, named));
  if (json) output.json(revoked);
  else output.line(`${printableLine(revoked.name, 100)} is revoked`);
  if (revoked.warning !== null) output.remark(printableLine(revoked.warning, 500));
}

async function tokenIdOf(cli: Cli, named: string): Promise<string> {
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(named)) return named;
  const client = cli.client();
  const byShortId = new Set<string>();
  let cursor: string | null = '';
  while (cursor !== null) {
    // Names are unique among tokens that are not revoked; an expired one has its name still.
    const page: { items: TokenView[]; nextCursor: string | null } = await client.tokens({
      limit: 200,
      all: true,
      ...(cursor !== '' && { cursor }),
    });
    const found = page.items.find(({ name, state }) => name === named && state !== 'revoked');
    if (found !== undefined) return found.id;
    for (const { id } of page.items) if (shortId(id) === named) byShortId.add(id);
    cursor = page.nextCursor;
  }
  const [only, ...others] = byShortId;
  if (only !== undefined && others.length === 0) return only;
  throw new UsageError(`There is no token called ${named}; \`perdure tokens\` lists them.`);
}

// `perdure allowances`: the pools runs draw from, their limits and how far they are used; and setting limits.
import { Command, InvalidArgumentError } from 'commander';
import type { AllowanceView } from '../../../workflows/contracts/allowance.ts';
import { type NamedLimit, namedLimits, toAmount, toPeriod } from '../terminal/limit-words.ts';
import { dollarsFromZero } from '../parse.ts';
import { shortId } from '../terminal/short-id.ts';
import { tableOf } from '../terminal/table.ts';
import { idOf } from '../known-by.ts';
import { UsageError } from '../server.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

type Changes = Partial<Record<NamedLimit, number>> & { models?: string[] };

interface AllowancesOptions {
  model?: string;
  set?: Changes;
  cost?: number;
  dayCost?: number;
  reason?: string;
  json?: boolean;
}

const settable = [...namedLimits, 'models'].join(', ');

export function allowancesCommand(cli: Cli): Command {
  return new Command('allowances')
    .addHelpText('after', exampleHelp('perdure allowances tenant --day-cost 50 --reason "A long night."'))
    .description('show what runs may use, or change it')
    .argument(
      '[name]',
      'tenant, conversation/<id>, run/<id>, owner/<anything> or executor/<name>; all of them without it',
    )
    .option(
      '--set <limit=value>',
      `${settable}; models as provider/model or provider/* with commas between them; 0, and no model, is unlimited; ` +
        'may be repeated',
      toChange,
    )
    .option(
      '--day-cost <dollars>',
      'set what its runs may spend in a UTC day; 0 is unlimited',
      dollarsFromZero,
    )
    .option('--cost <dollars>', 'set what its runs may spend in all; 0 is unlimited', dollarsFromZero)
    .option('--model <model>', 'with a limit: of calls of provider/model or provider/* alone')
    .option('--reason <text>', 'with a limit: why, for the ledger')
    .option('--json')
    .action(async (given: string | undefined, options: AllowancesOptions) => {
      const { model = '', reason, json } = options;
      const set = limitsOf(options);
      const name = given && (await poolNameOf(cli, given));
      if (Object.keys(set).length > 0) {
        if (name === undefined) throw new UsageError('Name the allowance to change, such as tenant.');
        if (reason === undefined) throw new UsageError('Say why with --reason; it is kept with the change.');
        const changed = await change(cli, { name, model, limits: set, reason });
        return json ? cli.output.json(changed) : show(cli, [changed]);
      }
      const items = await pools(cli, name);
      return json ? cli.output.json({ items, nextCursor: null }) : show(cli, items);
    });
}

/** Dollars override what --set says of the same limit. */
function limitsOf({ set, cost, dayCost }: AllowancesOptions): Changes {
  return {
    ...set,
    ...(cost !== undefined && { costMicros: cost }),
    ...(dayCost !== undefined && { dayCostMicros: dayCost }),
  };
}

function toChange(given: string, before: Changes = {}): Changes {
  const [limit, value = ''] = given.split('=', 2);
  if (limit === 'models') return { ...before, models: value.split(',').filter((model) => model !== '') };
  const name = namedLimits.find((one) => one === limit);
  if (!name) throw new InvalidArgumentError(`There are ${settable}.`);
  if (!/^\d{1,16}$/.test(value)) throw new InvalidArgumentError('It must be a whole number from 0.');
  return { ...before, [name]: Number(value) };
}

async function change(
  cli: Cli,
  wanted: { name: string; model: string; limits: Changes; reason: string },
): Promise<AllowanceView> {
  const known = (await pools(cli, wanted.name)).find(({ model }) => model === wanted.model);
  return cli.client().changeAllowance({ ...wanted, version: known?.version ?? 0 });
}

async function pools(cli: Cli, name: string | undefined): Promise<AllowanceView[]> {
  const items: AllowanceView[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await cli.client().allowances({
      limit: 200,
      ...(name !== undefined && { name }),
      ...(cursor !== undefined && { cursor }),
    });
    items.push(...page.items);
    if (page.nextCursor === null) return items;
    cursor = page.nextCursor;
  }
}

function show(cli: Cli, items: AllowanceView[]): void {
  if (items.length === 0) return cli.output.line('There is no such allowance.');
  const head = ['NAME', 'MODEL', 'LIMIT', 'USED', 'HELD'];
  cli.output.line(tableOf(cli.output, head, items.flatMap(rowsOf)));
}

const ofOne = /^(run|conversation)\/(.+)$/;

/** The name with the whole id of its run or conversation. */
async function poolNameOf(cli: Cli, given: string): Promise<string> {
  const [, kind, id = ''] = ofOne.exec(given) ?? [];
  return kind === 'run' || kind === 'conversation' ? `${kind}/${await idOf(cli, id, kind)}` : given;
}

function toShort(name: string): string {
  return name.replace(ofOne, (_, kind: string, id: string) => `${kind}/${shortId(id)}`);
}

/** A row for each limit; a pool without limits shows its cost in all. */
function rowsOf({ name, model, limits, used, held }: AllowanceView): string[][] {
  const given = namedLimits.filter((limit) => limits[limit] > 0);
  const isHeld = (limit: NamedLimit): limit is keyof typeof held => Object.hasOwn(held, limit);
  const amounts = given.map((limit) => [
    `${toAmount(limit, limits[limit])} ${toPeriod(limit)}`,
    limit === 'runSeconds' ? '' : toAmount(limit, used[limit]),
    isHeld(limit) ? toAmount(limit, held[limit]) : '',
  ]);
  const models = limits.models.length > 0 ? [[`only ${limits.models.join(', ')}`, '', '']] : [];
  const none = [
    'unlimited',
    toAmount('costMicros', used.costMicros),
    toAmount('costMicros', held.costMicros),
  ];
  const rows = amounts.length + models.length > 0 ? [...amounts, ...models] : [none];
  return rows.map((row) => [toShort(name), model || 'all', ...row]);
}

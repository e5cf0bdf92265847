// `perdure webhooks`: endpoints that are told of events. A secret is printed once, by `add` and `rotate`, and never taken
// as an argument.
import { Command } from 'commander';
import type { ToldType } from '../../../workflows/contracts/tenant-events.ts';
import type { WebhookView } from '../../../workflows/contracts/webhook.ts';
import { exitCodes } from '../exit-codes.ts';
import { eventTypes } from '../parse.ts';
import { UsageError } from '../server.ts';
import type { Cli } from '../surroundings.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { toSpan } from '../terminal/figures.ts';
import { printableLine } from '../terminal/printable.ts';
import { shortId } from '../terminal/short-id.ts';
import { tableOf } from '../terminal/table.ts';

interface Common {
  json?: boolean;
}

export function webhooksCommand(cli: Cli): Command {
  const command = new Command('webhooks')
    .addHelpText('after', exampleHelp('perdure webhooks'))
    .description('endpoints that are told of events; list, add, try and look at them');
  command.addCommand(
    subcommand('list', 'list the webhooks, with how their deliveries stand', 'list').action(
      (options: Common) => list(cli, options),
    ),
    { isDefault: true },
  );
  command.addCommand(addCommand(cli));
  for (const make of [showCommand, testCommand, rotateCommand, deliveriesCommand, redeliverCommand])
    command.addCommand(make(cli));
  for (const enabled of [true, false]) command.addCommand(switchCommand(cli, enabled));
  return command.addCommand(
    named('remove', 'take it away; what waits for it is not sent').action(
      async (given: string, { json }: Common) => {
        const webhook = await webhookOf(cli, given);
        await cli.client().deleteWebhook(webhook.id);
        if (json) cli.output.json(webhook);
        else cli.output.line(`${webhook.name} is removed`);
      },
    ),
  );
}

function subcommand(name: string, what: string, example: string): Command {
  return new Command(name)
    .addHelpText('after', exampleHelp(`perdure webhooks ${example}`))
    .description(what)
    .option('--json');
}

function named(name: string, what: string): Command {
  return subcommand(name, what, `${name} build-server`).argument(
    '<webhook>',
    'its name, or its id as printed; see `perdure webhooks list`',
  );
}

/** By its name, or by its id, whole or as printed. */
async function webhookOf(cli: Cli, given: string): Promise<WebhookView> {
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(given)) return cli.client().webhook(given);
  const { items } = await cli.client().webhooks({ limit: 200 });
  const found = items.find(({ id, name }) => name === given || shortId(id) === given);
  if (found) return found;
  throw new UsageError(`There is no webhook called ${given}; \`perdure webhooks list\` lists them.`);
}

async function list(cli: Cli, { json }: Common): Promise<void> {
  const { output } = cli;
  const page = await cli.client().webhooks({ limit: 200 });
  if (json) return output.json(page);
  if (page.items.length === 0) return output.line('There are none; `perdure webhooks add` makes one.');
  const rows = page.items.map((webhook) => [
    shortId(webhook.id),
    webhook.name,
    webhook.url,
    typesOf(webhook),
    stateOf(webhook),
    webhook.waiting,
    webhook.dead,
    webhook.lastDeliveredAt === null ? 'never' : toSpan(webhook.lastDeliveredAt),
  ]);
  output.line(
    tableOf(output, ['ID', 'NAME', 'URL', 'TYPES', 'STATE', 'WAITING', 'DEAD', 'LAST DELIVERED'], rows),
  );
}

function typesOf({ types }: WebhookView): string {
  return types.length === 0 ? 'all' : types.join(', ');
}

function stateOf({ enabled, stuck }: WebhookView): string {
  if (stuck !== null) return 'stuck';
  return enabled ? 'on' : 'off';
}

interface AddOptions extends Common {
  name?: string;
  types?: ToldType[];
  disabled?: boolean;
}

function addCommand(cli: Cli): Command {
  return subcommand(
    'add',
    'make a webhook and print its secret, this once',
    'add https://hooks.example.org/perdure --types run-end',
  )
    .argument('<url>', 'where events are posted to')
    .option('--name <name>', 'what it is called: small letters, digits and hyphens')
    .option('--types <types>', 'of which events, with commas between them (default: all)', eventTypes)
    .option('--disabled', 'keep it, and switch it on later')
    .action(async (url: string, { name, types, disabled, json }: AddOptions) => {
      const made = await cli.client().createWebhook({
        url,
        ...(name !== undefined && { name }),
        // The server refuses a type that there is not.
        ...(types && { types }),
        ...(disabled && { enabled: false }),
      });
      if (json) cli.output.json(made);
      else cli.output.line(made.secret);
      if (!(await cli.output.flushed())) {
        await cli.client().deleteWebhook(made.id);
        cli.output.remark(
          'perdure: The secret could not be written, so the webhook is removed; add it again.',
        );
        return cli.exitWith(exitCodes.failed);
      }
      cli.output.remark(`${made.name} is told of ${typesOf(made)} events. ${made.note}`);
    });
}

function rotateCommand(cli: Cli): Command {
  return named('rotate', 'give it another secret and print that; for a day the one before signs too').action(
    async (given: string, { json }: Common) => {
      const { id } = await webhookOf(cli, given);
      const { secret, ...webhook } = await cli.client().rotateWebhookSecret(id);
      if (json) cli.output.json({ ...webhook, secret });
      else cli.output.line(secret);
      cli.output.remark(`The secret before signs too until ${webhook.oldSecretUntil}. ${webhook.note}`);
    },
  );
}

function showCommand(cli: Cli): Command {
  return named('show', 'one webhook, never its secret').action(async (given: string, { json }: Common) => {
    const { output } = cli;
    const webhook = await webhookOf(cli, given);
    if (json) return output.json(webhook);
    output.line(`${webhook.name} (${webhook.id}), ${stateOf(webhook)}`);
    output.line(`  to ${printableLine(webhook.url, 500)}`);
    output.line(`  told of ${typesOf(webhook)} events`);
    output.line(`  ${webhook.waiting} waiting, ${webhook.dead} given up; see perdure webhooks deliveries`);
    if (webhook.stuck !== null) output.line(`  stuck: ${printableLine(webhook.stuck, 500)}`);
  });
}

function testCommand(cli: Cli): Command {
  return named('test', 'post a message of type ping now, and say what came of it').action(
    async (given: string, { json }: Common) => {
      const { id, name } = await webhookOf(cli, given);
      const { status, ms, problem, messageId } = await cli.client().testWebhook(id);
      if (json) cli.output.json({ messageId, status, ms, problem });
      else if (problem === null) cli.output.line(`${name} answered ${status} after ${ms} ms`);
      else cli.output.remark(`perdure: ${name}: ${printableLine(problem, 500)} (after ${ms} ms)`);
      if (problem !== null) cli.exitWith(exitCodes.failed);
    },
  );
}

function deliveriesCommand(cli: Cli): Command {
  return named('deliveries', 'what became of each event for it, newest first').action(
    async (given: string, { json }: Common) => {
      const { output } = cli;
      const { id } = await webhookOf(cli, given);
      const page = await cli.client().deliveries(id, { limit: 50 });
      if (json) return output.json(page);
      if (page.items.length === 0) return output.line('There are none yet.');
      const rows = page.items.map((delivery) => [
        shortId(delivery.id),
        delivery.seq,
        delivery.type,
        aboutOf(delivery.subject),
        delivery.status,
        delivery.attempts,
        delivery.answer?.status ?? '-',
        delivery.dueAt ?? '-',
        delivery.problem ?? '',
      ]);
      const head = [
        'ID',
        'EVENT',
        'TYPE',
        'ABOUT',
        'STATE',
        'ATTEMPTS',
        'ANSWER',
        'NEXT TRY (UTC)',
        'PROBLEM',
      ];
      output.line(tableOf(output, head, rows));
      if (page.nextCursor !== null) output.remark('There are more; these are the latest 50.');
    },
  );
}

function redeliverCommand(cli: Cli): Command {
  return named('redeliver', 'send again all that was given up for it').action(
    async (given: string, { json }: Common) => {
      const { id, name } = await webhookOf(cli, given);
      const done = await cli.client().redeliverWebhook(id);
      if (json) cli.output.json(done);
      else cli.output.line(`${done.redelivered} of ${name} are sent again`);
    },
  );
}

function aboutOf(subject: string): string {
  const [kind = '', id = ''] = subject.split('/');
  return id === '' ? kind : `${kind} ${shortId(id)}`;
}

function switchCommand(cli: Cli, enabled: boolean): Command {
  const name = enabled ? 'enable' : 'disable';
  const what = enabled
    ? 'switch it on: it is told of what comes from now on'
    : 'switch it off; what waits is kept';
  return named(name, what).action(async (given: string, { json }: Common) => {
    const { id } = await webhookOf(cli, given);
    const switched = await cli.client().switchWebhook(id, enabled);
    if (json) cli.output.json(switched);
    else cli.output.line(`${switched.name} is ${enabled ? 'on' : 'off'}`);
  });
}

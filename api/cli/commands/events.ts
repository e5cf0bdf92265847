// `perdure events`: what is told of all runs, tasks and schedules.
import { Command, InvalidArgumentError } from 'commander';
import type { Event } from '../../../workflows/contracts/event.ts';
import type { ToldType } from '../../../workflows/contracts/tenant-events.ts';
import { exitCodes } from '../exit-codes.ts';
import { eventNumber, eventTypes, positiveInteger } from '../parse.ts';
import type { Cli } from '../surroundings.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { printableLine } from '../terminal/printable.ts';
import { shortId } from '../terminal/short-id.ts';
import { tableOf } from '../terminal/table.ts';
import { isTold, type ToldEvent, toldTypes, toldWords } from '../terminal/told-words.ts';

interface EventsOptions {
  follow?: boolean;
  type?: ToldType[];
  after?: number;
  limit: number;
  json?: boolean;
}

export function eventsCommand(cli: Cli): Command {
  return new Command('events')
    .addHelpText('after', exampleHelp('perdure events --follow --type run-end,dead-letter'))
    .addHelpText('after', `\nTypes: ${toldTypes.join(', ')}.`)
    .description('what happened in all runs, tasks and schedules, newest last')
    .option('-f, --follow', 'what comes from now on, or after a number, until Ctrl-C')
    .option('--type <types>', 'only these, with commas between them', eventTypes)
    .option('--after <n>', 'only events after this number', eventNumber)
    .option('--limit <n>', 'so many at most, up to 1000', toLimit, 20)
    .option('--json', 'one event a line as JSON')
    .action(async (options: EventsOptions) => {
      if (options.follow) await follow(cli, options);
      else await list(cli, options);
    });
}

function toLimit(value: string): number {
  const limit = positiveInteger(value);
  // As much as the API gives at once.
  if (limit > 1000) throw new InvalidArgumentError('It must be at most 1000; --after goes on from there.');
  return limit;
}

async function list(cli: Cli, { type: types, after, limit, json }: EventsOptions): Promise<void> {
  const { output } = cli;
  const which = after === undefined ? { last: limit } : { after, limit, kept: true };
  const { items } = await cli.client().events({ ...which, ...(types && { types }) });
  if (json) {
    for (const event of items) output.json(event);
    return;
  }
  if (items.length === 0) return output.line('There are none.');
  output.line(tableOf(output, ['N', 'AT', 'TYPE', 'OF', 'WHAT'], items.map(toRow)));
}

async function follow(cli: Cli, { type: types, after, json }: EventsOptions): Promise<void> {
  const { output } = cli;
  const client = cli.client();
  const since = after ?? (await client.events({ last: 1 })).items.at(-1)?.seq ?? 0;
  const leaving = new AbortController();
  const stopListening = cli.onInterrupt(() => leaving.abort());
  try {
    const events = client.watchEvents({
      after: since,
      ...(types && { types }),
      signal: leaving.signal,
      onFolded: (floor) => output.remark(`events up to ${floor} are past their time or were deleted`),
      onLost: () => output.remark('the server does not answer; this goes on by itself as soon as it does'),
    });
    for await (const event of events) {
      if (json) output.json(event);
      else
        output.line(
          toRow(event)
            .filter((cell) => cell !== '')
            .join('  '),
        );
      await output.room();
    }
  } catch (error) {
    if (!leaving.signal.aborted) throw error;
    cli.exitWith(exitCodes.left);
  } finally {
    stopListening();
  }
}

/** A server newer than this client may tell of more than it knows. */
function toRow(event: Event): string[] {
  const [kind = '', id = ''] = (event.source?.stream ?? '').split('/');
  const of = id === '' ? '' : `${printableLine(kind, 20)} ${printableLine(shortId(id), 20)}`;
  const what = isTold(event.type) ? toldWords(event as ToldEvent) : '';
  return [String(event.seq), printableLine(event.at, 30), printableLine(event.type, 40), of, what];
}

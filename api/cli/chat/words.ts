// What can be typed in a chat beside messages: commands that begin with a slash.
import type { RunView } from '../../../workflows/contracts/run.ts';
import { showDiffOf } from '../commands/diff.ts';
import { rewind } from '../commands/rewind.ts';
import { readPages } from '../pages.ts';
import type { Cli } from '../surroundings.ts';
import { plural } from '../terminal/figures.ts';
import { toSpent } from '../terminal/run-money.ts';

export const helpOfChat = `Enter sends. While the agent works, what you send is heard before its next model call; /queue TEXT waits until
it has ended. A line that ends in \\ goes on in the next one, and lines pasted together are one message.

  /queue TEXT    send it when the run at work has ended
  /model NAME    the model of your next message and those after it; see \`perdure models\`
  /diff          what the latest run changed
  /undo          take that back
  /cost          what this conversation has cost
  /help          this
  /quit          leave; so does Ctrl-D

Ctrl-C clears the line, else interrupts the run at work; once more leaves, and the run goes on. A message that begins
with / is typed with a space before it.`;

export interface Chatting {
  /** Writes above the line. */
  cli: Cli;
  conversationId(): string | undefined;
  latestRun(): string | undefined;
  send(text: string, whenBusy: 'steer' | 'queue'): Promise<void>;
  useModel(model: string): void;
  leave(): void;
}

type Word = (chatting: Chatting, rest: string) => Promise<void> | void;

const words: Record<string, Word> = {
  help: ({ cli }) => cli.output.line(helpOfChat),
  async queue({ cli, send }, rest) {
    if (rest === '') cli.output.remark('! Say what to queue: /queue TEXT');
    else await send(rest, 'queue');
  },
  model({ cli, useModel }, rest) {
    if (!/^[a-z0-9-]+\/\S+$/.test(rest))
      return cli.output.remark('! Name a model: /model provider/model; `perdure models` lists them.');
    useModel(rest);
    cli.output.remark(`— ${rest} answers from your next message on`);
  },
  diff: (chatting) => ofLatest(chatting, (cli, runId) => showDiffOf(cli, runId)),
  undo: (chatting) => ofLatest(chatting, (cli, runId) => rewind(cli, runId, 'start')),
  cost,
  quit: ({ leave }) => leave(),
};

/** False: it is a message and no command. */
export async function heardWord(chatting: Chatting, text: string): Promise<boolean> {
  const [, name, rest = ''] = /^\/(\S*)\s*([^]*)$/.exec(text) ?? [];
  if (name === undefined) return false;
  const word = Object.hasOwn(words, name) ? words[name] : undefined;
  if (word) await word(chatting, rest.trim());
  else
    chatting.cli.output.remark(
      `! There is no /${name}: /help lists what there is. A message is typed with a space before the /.`,
    );
  return true;
}

export function completeWord(line: string): string[] {
  if (!line.startsWith('/')) return [];
  return Object.keys(words)
    .map((name) => `/${name}`)
    .filter((name) => name.startsWith(line));
}

async function ofLatest(
  { cli, latestRun }: Chatting,
  work: (cli: Cli, runId: string) => Promise<void>,
): Promise<void> {
  const runId = latestRun();
  if (runId === undefined) cli.output.remark('! There is no run in this chat yet.');
  else await work(cli, runId);
}

// More runs than a person starts in one conversation; a chat does not read for minutes to sum.
const mostSummed = 1_000;

async function cost({ cli, conversationId }: Chatting): Promise<void> {
  const id = conversationId();
  const page = id
    ? await readPages(mostSummed, (query) =>
        cli.client().runs({ ...query, conversationId: id, subagents: true }),
      )
    : { items: [], nextCursor: null };
  const sum = (of: (run: RunView) => number): number => page.items.reduce((total, run) => total + of(run), 0);
  const spent = toSpent(
    sum((run) => run.costMicros),
    sum((run) => run.ceilingCostMicros) > 0,
  );
  const [put, got] = [sum((run) => run.usage.inputTokens), sum((run) => run.usage.outputTokens)];
  const of = page.nextCursor === null ? '' : ' of the latest';
  cli.output.line(
    `${spent} ·${of} ${plural(page.items.length, 'run')} · ${put.toLocaleString('en')} tokens in, ${got.toLocaleString('en')} out`,
  );
}

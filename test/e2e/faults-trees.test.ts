// Trees of subagents as they come, three deep and about forty runs in all, on a worker and an API that are killed again
// and again while people stop runs and time runs out. Each reports once, nothing waits for ever, all spending is counted.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, expect, test } from 'vitest';
import { openDatabase } from '../../activities/store/db/database.ts';
import { createClient, ProblemError } from '../../api/client/client.ts';
import { mostDepth } from '../../workflows/contracts/delegation.ts';
import { moneyProblems } from '../chaos/checks/money.ts';
import { createDice, type Dice } from '../chaos/dice.ts';
import { readMoney } from '../chaos/evidence.ts';
import { marked, type ModelCall, type Script, startFakeModel } from '../chaos/fake-model.ts';
import { until } from '../support/platform.ts';
import { openRoles, type Role } from '../support/roles.ts';
import { expectWholeLog } from '../support/store.ts';
import { expectReported, runsOf, type Tree } from '../support/trees.ts';

// What any of these waits for takes at most on a busy machine; past it the test says what it waited for.
const longestMs = 180_000;
const trees = 3;
const runsOfEach = 13;
// Of the subagent called `short`, whose model takes longer.
const shortSeconds = 4;

interface Node {
  place: string;
  depth: number;
  name: string;
  async: boolean;
  /** Whether it waits for those that it has not waited for. */
  waits: boolean;
  answerMs: number;
  children: Node[];
}

function grow(dice: Dice, tree: number): Node[] {
  const nodeAt = (place: string, depth: number, name: string): Node => ({
    ...{ place, depth, name, async: dice.chance(0.4), waits: dice.chance(0.5), children: [] },
    answerMs: name === 'short' ? 1000 * (shortSeconds + 2) : dice.between(200, 1500),
  });
  const nodes = [nodeAt(`${tree}`, 0, 'main')];
  for (const node of nodes) {
    const most = node.depth === 0 ? 5 : node.depth < mostDepth ? dice.below(4) : 0;
    for (let index = 0; index < most && nodes.length < runsOfEach; index += 1) {
      const name = index === 0 && dice.chance(0.2) ? 'short' : `part-${index}`;
      const child = nodeAt(`${node.place}.${index}`, node.depth + 1, name);
      node.children.push(child);
      nodes.push(child);
    }
  }
  return nodes;
}

const seed = Date.now() % 1_000_000;
const dice = createDice(seed);
const nodes = new Map(
  Array.from({ length: trees }, (_, tree) => grow(dice.derive(tree), tree))
    .flat()
    .map((node) => [node.place, node]),
);

function scriptOf({ children, waits, answerMs, place }: Node, step: number): Script {
  const calls: ModelCall[] = children.map((child) => ({
    name: child.async ? 'delegate-async' : 'delegate',
    input: JSON.stringify({ prompt: `A part. ${marked(child.place)}`, name: child.name }),
  }));
  const awaits = waits && children.some((child) => child.async);
  const words = Array.from({ length: 5 }, (_, index) => `${place}/${index} `);
  const wait: ModelCall[] = awaits ? [{ name: 'wait', input: '{}' }] : [];
  return { firstTokenMs: answerMs, words, wordMs: 20, calls: [calls, wait][step - 1] ?? [] };
}

const model = await startFakeModel(({ marker, step }) => {
  const node = nodes.get(marker);
  return node ? scriptOf(node, step) : { words: ['All ', 'read.'] };
});
const roles = await openRoles({
  PERDURE_COMPATIBLE_BASE_URL: model.url,
  PERDURE_PRICES: JSON.stringify({ 'compatible/*': { input: 1000, output: 4000 } }),
});
const database = openDatabase({ url: roles.databaseUrl, connections: 4, name: 'test-trees' });
afterEach(() => roles.killAll());
afterAll(async () => {
  await Promise.all([database.close(), model.close()]);
});

async function start(client: Client, tree: number): Promise<Tree> {
  const wakeUp = ([undefined, 'manual', 'auto'] as const)[tree % 3];
  const { id, conversationId } = await client.startRun({
    ...{ prompt: `The whole. ${marked(`${tree}`)}`, preset: 'tree', model: 'compatible/fake' },
    ...(wakeUp && { wakeUp }),
  });
  return { rootId: id, conversationId };
}

type Client = ReturnType<typeof createClient>;

const active = () => database.db.selectFrom('runs').select('id').where('ended_at', 'is', null).orderBy('id');

/** Stops one of the trees' runs at work; one that has ended meanwhile is left alone. */
async function stopOne(client: Client, kind: 'cancel' | 'interrupt', trees: Tree[]): Promise<void> {
  const roots = trees.map(({ rootId }) => rootId);
  const runs = await active()
    .where((eb) => eb.or([eb('kind', '=', 'subagent'), eb('id', 'in', roots)]))
    .execute();
  if (runs.length === 0) return;
  const { id } = dice.pick(runs);
  await (kind === 'cancel' ? client.cancel(id) : client.interrupt(id)).catch((error: unknown) => {
    if (!/has ended/.test(String(error))) throw error;
  });
}

/** False when another continuation has come before it. */
async function fireUnlessTaken(client: Client, conversationId: string): Promise<boolean> {
  try {
    await client.fire(conversationId);
    return true;
  } catch (error) {
    const { code = '' } = error instanceof ProblemError ? error.problem : {};
    if (!['ConversationBusy', 'MailboxEmpty'].includes(code)) throw error;
    return false;
  }
}

test('whatever is killed, stopped or late, each subagent of random trees reports once and all is paid for', {
  tags: ['faults'],
  timeout: 3 * longestMs,
}, async () => {
  console.log(`The trees of seed ${seed}.`);
  const running: Record<'api' | 'worker', Role> = {
    api: await roles.startApi(),
    worker: await roles.startWorker(),
  };
  const again = { api: () => roles.startApi(), worker: () => roles.startWorker() };
  const replace = async (which: 'api' | 'worker'): Promise<void> => {
    running[which].kill('SIGKILL');
    await running[which].gone;
    running[which] = await again[which]();
  };
  const client = createClient({ url: roles.url, token: roles.token, retryForMs: longestMs });
  await client.createPreset({ id: 'short', name: 'Short', limits: { seconds: shortSeconds } });
  await client.createPreset({ id: 'tree', name: 'Tree', subagents: [{ name: 'short', preset: 'short' }] });
  const started = await Promise.all(Array.from({ length: trees }, (_, tree) => start(client, tree)));

  const acts = ['worker', 'api', 'cancel', 'worker', 'interrupt', 'worker', 'cancel', 'api'] as const;
  for (const act of acts) {
    await sleep(dice.between(300, 2500));
    if (act === 'cancel' || act === 'interrupt') await stopOne(client, act, started);
    else await replace(act);
  }
  const quiet = async (): Promise<boolean> => (await active().execute()).length === 0;
  await until(quiet, longestMs, () => `Some run has not ended. ${roles.log().slice(-3000)}`, 200);
  // What the mailbox of a conversation still holds one continuation takes: ours, or one that comes by itself meanwhile.
  for (const { conversationId } of started) {
    const pending = async (): Promise<number> => (await client.conversation(conversationId)).pendingMailbox;
    while ((await pending()) > 0) {
      const fired = await fireUnlessTaken(client, conversationId);
      await until(quiet, longestMs, () => 'A continuation has not ended.', 200);
      if (fired) expect(await pending()).toBe(0);
    }
  }
  await until(quiet, longestMs, () => 'A continuation has not ended.', 200);

  const runs = (await Promise.all(started.map((tree) => runsOf(database, tree)))).flat();
  const statuses = Object.entries(Object.groupBy(runs, ({ status }) => status));
  console.log(`${runs.length} runs: ${statuses.map(([status, of]) => `${of?.length} ${status}`).join(', ')}`);
  for (const tree of started) await expectReported(database, tree);
  await expectWholeLog({ database });
  const money = await readMoney(roles.databaseUrl);
  expect(moneyProblems(money)).toEqual([]);
  const settled = money.entries.filter(({ kind }) => kind === 'settle');
  const sumOf = (id: string) =>
    settled.filter((entry) => entry.run_id === id).reduce((sum, { cost_micros: cost }) => sum + cost, 0);
  expect(runs.map(({ id, cost_micros: cost }) => [id, cost])).toEqual(runs.map(({ id }) => [id, sumOf(id)]));
});

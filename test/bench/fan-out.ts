// B5, fan-out: how many frames a second reach a thousand SSE readers of fifty runs, and of fifty conversations, with no
// more than 100 ms at p99, against Fastify writing prepared buffers from memory; and what an idle reader costs in memory.
// The readers are a process of their own.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFloor } from './harness/floor.ts';
import { report, settings, spreadOf } from './harness/pairs.ts';
import { startProduct } from './harness/product.ts';
import { type Readers, startReaders } from './harness/readers.ts';
import { startRunningRuns } from './harness/running.ts';

const runs = 50;
const clients = 1000;
// A model's tokens come in such batches when several are waiting.
const everyMs = 50;
// What a person still sees as at once. Where the machine is so busy that the floor is later at its slowest, twice that
// stands in its place: all sides are held to the same.
let latestMs = 100;
// One rung of the ladder of rates: two thousand batches.
const rungSeconds = 2;
// One late rung may be the machine's fault; a second one is the side's own.
const mostLate = 2;
// They come on top of half as many. Enough that their cost stands out from what a process keeps anyway.
const idleClients = 4000;

// Both sides collect their garbage within two looks of five seconds once they are quiet.
const restMs = 15_000;

const given = settings();
const never = new Promise(() => undefined);
await using product = await startProduct(
  { pieces: 1, pauseMs: 0, toolSteps: 0, calls: [], hold: () => never },
  { PERDURE_LLM_SLOTS: String(runs + 10) },
);
await using running = await startRunningRuns(product, runs);
await using floor = await startFloor(product.platform.databaseUrl);

interface Rung {
  framesPerSecond: number;
  p99: number;
}

/** Appends to all runs at once, `perTick` events each, every tick. A tick that is late does not shorten the next. */
async function appendFor(seconds: number, perTick: number): Promise<void> {
  const end = Date.now() + seconds * 1000;
  await Promise.all(
    running.runs.map(async (run, index) => {
      // Not all in the same moment.
      await sleep((everyMs * index) / runs);
      while (Date.now() < end) {
        const next = sleep(everyMs);
        await run.append(perTick);
        await next;
      }
    }),
  );
}

async function writeFor(seconds: number, perTick: number): Promise<void> {
  await floor.write({ everyMs, perTick, frame: frameLikeOurs });
  await sleep(seconds * 1000);
  await floor.write({ everyMs, perTick: 0, frame: '' });
}

const example = running.runs[0];
const frameLikeOurs = `id: NUMBER\nevent: text-delta\ndata: ${JSON.stringify({
  stream: `run/${example?.id}`,
  seq: 100,
  conversationSeq: 100,
  at: new Date().toISOString(),
  type: 'text-delta',
  version: 1,
  attempt: 0,
  payload: { step: 1, block: 0, text: 'TIME and twenty more letters' },
})}\n\n`;

type Side = 'ours' | 'conversations' | 'floor';

async function openAll(readers: Readers, side: Side, count: number): Promise<void> {
  const targets = Array.from({ length: count }, (_, index) => {
    const group = index % runs;
    const run = running.runs[group];
    if (side === 'ours' && run) return run.target();
    if (side === 'conversations' && run) return run.conversationTarget();
    return { host: '127.0.0.1', port: floor.port, path: `/fan/${group}`, token: '', after: 0 };
  });
  await readers.open({ targets, ages: 'oldest', again: false });
  // All have their answer's head by then.
  await sleep(2000);
}

async function rung(readers: Readers, side: Side, perTick: number): Promise<Rung> {
  await readers.report();
  const { frames: before } = await readers.report();
  const began = performance.now();
  await (side !== 'floor' ? appendFor(rungSeconds, perTick) : writeFor(rungSeconds, perTick));
  // The last ones are on their way.
  await sleep(latestMs);
  const seconds = (performance.now() - began) / 1000;
  const { frames, ages, lost, doubled, reordered } = await readers.report();
  if (side !== 'floor' && lost + doubled + reordered > 0) {
    throw new Error(`${lost} lost, ${doubled} doubled, ${reordered} reordered: no figure counts.`);
  }
  return { framesPerSecond: (frames - before) / seconds, p99: ages.p99 };
}

/** Climbs until the readers are served too late; returns the best rung that was not. */
async function climb(side: Side): Promise<Rung> {
  await using readers = await startReaders();
  await openAll(readers, side, clients);
  const slowest = await rung(readers, side, 1);
  if (side === 'floor') latestMs = Math.max(latestMs, 2 * slowest.p99);
  let best: Rung = { framesPerSecond: 0, p99: Number.NaN };
  let late = 0;
  for (let perTick = 1; perTick < 200 && late < mostLate; perTick = Math.ceil(perTick * 1.5)) {
    const reached = await rung(readers, side, perTick);
    const told = `${Math.round(reached.framesPerSecond)} frames/s, p99 ${reached.p99} ms`;
    process.stderr.write(`  fan-out: ${side} ${told}\n`);
    if (reached.p99 > latestMs) late += 1;
    else if (reached.framesPerSecond > best.framesPerSecond) best = reached;
  }
  return best;
}

/** KiB of resident memory that one more idle reader costs the process that serves it. */
async function memoryPerReader(side: 'ours' | 'floor', pid: number): Promise<number> {
  await using first = await startReaders();
  await openAll(first, side, idleClients / 2);
  await sleep(restMs);
  const before = residentKiB(pid);
  await using more = await startReaders();
  await openAll(more, side, idleClients);
  await sleep(restMs);
  return (residentKiB(pid) - before) / idleClients;
}

function residentKiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
}

const api = product.platform.pid('api') ?? 0;
const memory = { ours: await memoryPerReader('ours', api), floor: await memoryPerReader('floor', floor.pid) };
const rungs: Record<Side, Rung[]> = { ours: [], conversations: [], floor: [] };
// A climb takes half a minute, and its result is a rate that is either held or not.
const pairs = Math.max(1, Math.round(given.pairs / 3));
for (let pair = 0; pair < pairs; pair += 1) {
  const sides: Side[] = ['floor', 'ours', 'conversations'];
  for (const side of pair % 2 === 0 ? sides : sides.toReversed()) {
    rungs[side].push(await climb(side));
  }
}

function ratioOf(side: Side) {
  return spreadOf(
    rungs[side].map(
      ({ framesPerSecond }, index) => framesPerSecond / (rungs.floor[index]?.framesPerSecond ?? 0),
    ),
  );
}

const ratio = ratioOf('ours');
const conversations = ratioOf('conversations');
report({
  name: 'B5 fan-out',
  checks: [
    {
      what: 'frames/s in time, against memory',
      value: ratio.median,
      target: 0.6,
      mustReach: 0.35,
      higherIsBetter: true,
    },
    {
      what: 'frames/s in time over conversations, against memory',
      value: conversations.median,
      target: 0.6,
      mustReach: 0.35,
      higherIsBetter: true,
    },
    {
      what: 'memory of an idle reader',
      value: memory.ours / memory.floor,
      target: 1.5,
      mustReach: 3,
      higherIsBetter: false,
    },
  ],
  figures: { ratio, conversations, rungs, latestMs, kibPerIdleReader: memory },
});

// B4, token latency: from the moment a model sends a piece of text to its bytes at a client, fifty runs of fifty
// tokens a second, against the same model piped straight through a Fastify route.
import { openClient } from '../../worker/processes/temporal-client.ts';
import { workflowId } from '../../workflows/contracts/messages.ts';
import type { FakeModelInput } from './harness/fake-model.ts';
import { until } from '../support/platform.ts';
import { startFloor } from './harness/floor.ts';
import { measurePairs, report, type Sample, settings, spreadOf } from './harness/pairs.ts';
import { now, startProduct } from './harness/product.ts';
import { type ReadersReport, startReaders } from './harness/readers.ts';
import { checkRows } from './harness/rows.ts';

const runs = 50;
const pauseMs = 20;
const answers: FakeModelInput = {
  pieces: 1,
  pauseMs,
  toolSteps: 0,
  calls: [],
  piece: () => `@${now()}@ `,
};

await using product = await startProduct(answers, { PERDURE_LLM_SLOTS: String(runs + 10) });
const { platform } = product;
await using floor = await startFloor(platform.databaseUrl);
await using readers = await startReaders();
const client = openClient({ temporalAddress: platform.temporalAddress, temporalNamespace: 'perdure' });
const found = { ours: [] as ReadersReport['ages'][], floor: [] as ReadersReport['ages'][] };

/** No model speaks until all runs are under way: fifty starts at once are another benchmark's business. */
async function together(seconds: number, begin: () => Promise<void>): Promise<ReadersReport['ages']> {
  const go = Promise.withResolvers<void>();
  answers.pieces = Math.round((seconds * 1000) / pauseMs);
  answers.hold = () => go.promise;
  await begin();
  await until(
    () => product.model.answering() === runs,
    60_000,
    () => 'The runs do not begin.',
  );
  go.resolve();
  await readers.allEnded();
  return (await readers.report()).ages;
}

async function throughProduct(seconds: number): Promise<Sample> {
  const ages = await together(seconds, openRuns);
  found.ours.push(ages);
  return { units: ages.count };
}

async function openRuns(): Promise<void> {
  const ids = await Promise.all(Array.from({ length: runs }, () => product.startRun()));
  const { hostname, port } = new URL(platform.url);
  await readers.open({
    ages: 'each',
    again: false,
    targets: ids.map((id) => ({
      host: hostname,
      port: Number(port),
      path: `/api/v1/runs/${id}/stream`,
      token: platform.token,
      after: 0,
    })),
  });
}

async function throughFloor(seconds: number): Promise<Sample> {
  const path = `/pipe?model=${encodeURIComponent(product.model.url)}`;
  const target = { host: '127.0.0.1', port: floor.port, path, token: '', after: 0 };
  const targets = Array.from({ length: runs }, () => target);
  const ages = await together(seconds, () => readers.open({ ages: 'each', again: false, targets }));
  found.floor.push(ages);
  return { units: ages.count };
}

/** Events in Temporal's history of a run whose model streams `tokens` tokens. */
async function historyEvents(tokens: number): Promise<number> {
  answers.pieces = tokens;
  delete answers.hold;
  const id = await product.startRun();
  await product.read(`/runs/${id}/stream`, ({ type }) => type === 'run-end');
  const { events } = await client.workflow.getHandle(workflowId('run', id)).fetchHistory();
  return events?.length ?? 0;
}

const few = await historyEvents(1);
const many = await historyEvents(201);
const given = settings();
const measured = await measurePairs({
  name: 'tokens',
  floor: { name: 'piped', measure: throughFloor, pids: () => [floor.pid] },
  ours: { name: 'runs', measure: throughProduct, pids: product.pids },
  // Ten seconds of it are 25,000 tokens a side.
  settings: { ...given, pairs: Math.min(4, given.pairs), seconds: given.seconds / 2 },
});
const checked = await checkRows(platform.databaseUrl);
await client.connection.close();

// The first stretch of each is the warm-up.
const added = (share: 'p50' | 'p99') =>
  spreadOf(found.ours.slice(1).map((ages, index) => ages[share] - (found.floor[index + 1]?.[share] ?? 0)));
const half = added('p50');
const late = added('p99');
report({
  name: 'B4 token latency',
  checks: [
    { what: 'ms added, p50', value: half.median, target: 20, mustReach: 40, higherIsBetter: false },
    { what: 'ms added, p99', value: late.median, target: 60, mustReach: 120, higherIsBetter: false },
    {
      what: 'history events a token',
      value: (many - few) / 200,
      target: 0,
      mustReach: 0,
      higherIsBetter: false,
    },
  ],
  figures: {
    half,
    late,
    milliseconds: { ours: found.ours.slice(1), floor: found.floor.slice(1) },
    cpuSecondsPerThousandTokens: {
      ours: measured.ours.map(({ cpuSeconds, units }) => (1000 * cpuSeconds) / units),
      floor: measured.floor.map(({ cpuSeconds, units }) => (1000 * cpuSeconds) / units),
    },
    checked,
  },
});

// B9, interrupt: from POST /interrupt until the provider sees its socket closed and until the end of the run is seen,
// against AbortController.abort() on a loopback request; beside it a cancellation that travels by heartbeat alone.
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/platform.ts';
import { startEngine } from './harness/engine.ts';
import { percentile, report, settings } from './harness/pairs.ts';
import { now, startProduct } from './harness/product.ts';
import { checkRows } from './harness/rows.ts';

const given = settings();
await using product = await startProduct({ pieces: 100_000, pauseMs: 20, toolSteps: 0, calls: [] });
const { platform, model } = product;
await using engine = await startEngine({ temporalAddress: platform.temporalAddress, modelUrl: model.url });

let tokensAfterEnd = 0;

/** Milliseconds from the request until each was seen. */
interface Stop {
  closed: number;
  ended: number;
}

async function stopRun(): Promise<Stop> {
  const id = await product.startRun();
  const spoken = Promise.withResolvers<void>();
  let endedAt = 0;
  const reading = product.read(`/runs/${id}/stream`, ({ type, at }) => {
    if (type === 'text-delta') spoken.resolve();
    if (endedAt > 0) tokensAfterEnd += 1;
    if (type === 'run-end') endedAt = at;
    return false;
  });
  await spoken.promise;
  // Somewhere between two pieces, as people are.
  await sleep(100 + Math.random() * 100);
  const closed = model.nextGivenUp();
  const asked = now();
  await product.post(`/runs/${id}/interrupt`);
  const closedAt = await closed;
  await reading;
  return { closed: closedAt - asked, ended: endedAt - asked };
}

/** The same with nothing between: a request on loopback that is aborted. */
async function abortRequest(): Promise<number> {
  const abort = new AbortController();
  const answer = await fetch(`${model.url}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ messages: [] }),
    signal: abort.signal,
  });
  const reader = answer.body?.getReader();
  await reader?.read();
  await sleep(50);
  const closed = model.nextGivenUp();
  const asked = now();
  abort.abort();
  await reader?.closed.catch(() => undefined);
  return (await closed) - asked;
}

async function cancelByHeartbeat(): Promise<number> {
  const handle = await engine.start({ toolSteps: 0, calls: [] });
  await until(
    () => model.answering() === 1,
    30_000,
    () => 'The floor does not call its model.',
  );
  // Anywhere between two heartbeats.
  await sleep(1000 + Math.random() * 3000);
  const closed = model.nextGivenUp();
  const asked = now();
  await handle.cancel();
  const took = (await closed) - asked;
  await handle.result().catch(() => undefined);
  return took;
}

const rounds = Math.max(10, given.pairs * 10);
await stopRun();
await abortRequest();
const stops: Stop[] = [];
const aborts: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  stops.push(await stopRun());
  aborts.push(await abortRequest());
}
const beats: number[] = [];
// Each takes seconds, which is what this part shows.
for (let round = 0; round < given.pairs; round += 1) beats.push(await cancelByHeartbeat());
const checked = await checkRows(platform.databaseUrl);

const of = (values: number[]) => ({
  p50: percentile(values, 0.5),
  p99: percentile(values, 0.99),
  count: values.length,
});
const closed = of(stops.map((stop) => stop.closed));
const ended = of(stops.map((stop) => stop.ended));
const beat = of(beats);
report({
  name: 'B9 interrupt',
  checks: [
    {
      what: 'ms until the socket is closed, p50',
      value: closed.p50,
      target: 50,
      mustReach: 250,
      higherIsBetter: false,
    },
    {
      what: 'ms until the end is seen, p99',
      value: ended.p99,
      target: 250,
      mustReach: 1000,
      higherIsBetter: false,
    },
    {
      what: 'times as fast as by heartbeat',
      value: beat.p50 / closed.p50,
      target: 20,
      mustReach: 5,
      higherIsBetter: true,
    },
    {
      what: 'token events after the end',
      value: tokensAfterEnd,
      target: 0,
      mustReach: 0,
      higherIsBetter: false,
    },
  ],
  figures: { milliseconds: { closed, ended, floorAbort: of(aborts), byHeartbeat: beat }, checked },
});

// A webhook on real servers, all of which are killed while runs end and the endpoint fails.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { openEndpoint, shownCheck } from '../support/hook-endpoint.ts';
import { openOwnServers } from '../support/own-servers.ts';
import { until } from '../support/platform.ts';
import { testPort } from '../support/ports.ts';
import { openRoles } from '../support/roles.ts';

const port = await testPort();
const servers = await openOwnServers();
const roles = await openRoles({ PERDURE_WEBHOOK_HOSTS: `127.0.0.1:${port}` }, servers);

// A worker that dies in a look costs forty seconds, a failed attempt up to twenty more.
const longestMs = 150_000;

async function tenantEvents(): Promise<{ seq: number; type: string }[]> {
  const client = new pg.Client({ connectionString: roles.databaseUrl, application_name: 'test-webhooks' });
  await client.connect();
  try {
    const text = "select seq::integer, type from events where stream like 'tenant/%' order by seq";
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

test('whatever is killed, each event is delivered under one id, in order of its run, with a signature that verifies', {
  tags: ['faults'],
  timeout: 240_000,
}, async () => {
  onTestFinished(() => roles.killAll());
  const endpoint = await openEndpoint(port);
  let api = await roles.startApi();
  let worker = await roles.startWorker();
  const { id, secret } = await roles.client.createWebhook({ url: endpoint.url });
  // Every third fails, and some are answered late.
  endpoint.answers((_got, response) => {
    const number = endpoint.got.length;
    if (number % 3 === 0) return response.writeHead(503).end();
    if (number % 5 !== 0) return undefined;
    return setTimeout(() => response.writeHead(204).end(), 1500);
  });
  const runs: string[] = [];
  for (const victim of ['worker', 'api', 'postgres', 'temporal', 'none'] as const) {
    const { id: runId } = await roles.client.startRun({
      prompt: 'Say hello.',
      model: 'scripted/hello',
      project: null,
    });
    runs.push(runId);
    await sleep(1500);
    if (victim === 'worker') {
      worker.kill();
      await worker.gone;
      worker = await roles.startWorker();
    }
    if (victim === 'api') {
      api.kill();
      await api.gone;
      api = await roles.startApi();
    }
    if (victim === 'postgres' || victim === 'temporal') {
      await servers.signal(victim, 'SIGKILL');
      await servers.start(victim);
    }
  }
  for (const runId of runs)
    await until(
      async () => (await roles.client.run(runId)).endedAt !== null,
      longestMs,
      () => `A run has not ended:\n${roles.log().slice(-4000)}`,
    );
  const ends = async (): Promise<boolean> =>
    (await tenantEvents()).filter(({ type }) => type === 'run-end').length === runs.length;
  await until(ends, longestMs, () => `Some ends are not told:\n${roles.log().slice(-4000)}`);
  const told = await tenantEvents();
  await until(
    () => endpoint.seqs().length >= told.length,
    longestMs,
    () => `Got ${endpoint.seqs().join()} of ${told.length}:\n${roles.log().slice(-4000)}`,
  );
  await until(
    async () => (await roles.client.webhook(id)).waiting === 0,
    longestMs,
    () => `Some are not delivered:\n${roles.log().slice(-4000)}`,
  );
  const isGenuine = await shownCheck();
  const idOf = new Map<number, string>();
  for (const got of endpoint.got) {
    expect(isGenuine(secret, got.headers, got.body)).toBe(true);
    const { seq } = got.message.data;
    expect(got.id).toBe(idOf.get(seq) ?? got.id);
    idOf.set(seq, got.id);
  }
  expect([...idOf.keys()].toSorted((one, other) => one - other)).toEqual(told.map(({ seq }) => seq));
  for (const runId of runs) {
    const of = endpoint.got.filter(({ message }) => message.data.source?.stream === `run/${runId}`);
    const seqs = [...new Set(of.map(({ message }) => message.data.seq))];
    expect(seqs).toEqual(seqs.toSorted((one, other) => one - other));
  }
});

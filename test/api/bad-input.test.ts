// Bad input over every operation of the API's own description: never a 500, never a hang, never a write.
import http from 'node:http';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { addDeadLetter } from '../../activities/store/runs/dead-letters.ts';
import { lockRun } from '../../activities/store/runs/runs.ts';
import { ProblemView } from '../../workflows/contracts/system.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';
import { withFaults } from '../support/with-faults.ts';
import { awkwardRequestsOf } from './awkward-requests.ts';
import { operationsOf, type Sent } from './operations.ts';
import { validRequestsOf } from './valid-requests.ts';
import { appendTexts, endOfRun, startRun } from './stream/streams.ts';

// No answer of this API takes a second here; the rest is for a machine that stands still for a while.
const hangMs = 60_000;
// Of a processor, which a busy machine takes no more of.
const workMs = 5_000;
const casesEach = withFaults ? 32 : 8;
// With `--faults` about two thousand requests in each, of some ten milliseconds; five thousand come near to the time that
// a test has on a busy machine.
const parts = [1, 2];

interface Answer {
  status: number;
  text: string;
}

function send(url: string, agent: http.Agent, token: string, method: string, sent: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const began = process.cpuUsage();
    const { hostname, port } = new URL(url);
    const headers = { authorization: `Bearer ${token}`, ...sent.headers };
    const request = http.request({ hostname, port, agent, method, path: sent.path, headers }, (response) => {
      let text = '';
      const done = (): void => {
        const { user, system } = process.cpuUsage(began);
        if ((user + system) / 1_000 > workMs) reject(new Error(`too much work: ${method} ${sent.path}`));
        else resolve({ status: response.statusCode ?? 0, text });
      };
      response.on('data', (bytes: Buffer) => {
        text += bytes.toString();
        // A stream goes on; that it has begun is the answer.
        if (response.headers['content-type']?.startsWith('text/event-stream')) {
          done();
          request.destroy();
        }
      });
      response.on('end', done);
      response.on('error', () => {});
    });
    request.setTimeout(hangMs, () => reject(new Error(`no answer to ${method} ${sent.path}`)));
    request.on('error', reject);
    request.end(sent.body);
  });
}

/** A digest of every row but those of idempotency keys, which store refusals on purpose. */
async function digest(api: TestApp): Promise<string> {
  // What a request that was good has left to tell would else be told at any time.
  await api.log.feed(api.tenantId, 100_000);
  const names = [
    'runs',
    'conversations',
    'messages',
    'inputs',
    'calls',
    'events',
    'stream_heads',
    'dead_letters',
    'tokens',
    'allowances',
    'allowance_entries',
    'allowance_places',
    'audit',
    'approvals',
    'policies',
    'policy_versions',
    'policy_scopes',
    'remembered_answers',
  ];
  // When a token was used last is no effect of a request.
  const sums = names.map(
    (name) =>
      `(select coalesce(sum(hashtext((to_jsonb(t) - 'last_used_at')::text)::bigint), 0) from ${name} t) as ${name}`,
  );
  const { rows } = await api.database.pool.query(`select ${sums.join(', ')}`);
  return JSON.stringify(rows[0]);
}

async function seeded() {
  const api = await createTestApp({
    bodyLimitBytes: 64 * 1024,
    embedded: {
      processes: async () => ({ embedded: true, items: [], temporalUi: null }),
      kill: async () => {},
      copyDemo: async () => '/demo/1',
    },
  });
  const ended = await startRun(api);
  await appendTexts(api, ended, 5);
  await endOfRun(api, ended);
  const active = await startRun(api);
  const letter = await api.log.write('test', async (write) => {
    const run = await lockRun(write, api.tenantId, active.id);
    if (!run) throw new Error('the run was just started');
    await addDeadLetter(write, run, { kind: 'call', callId: '1.0', reason: 'three times', attempts: 3 });
    return write.tx.selectFrom('dead_letters').select('id').executeTakeFirstOrThrow();
  });
  const policies = ['headless-safe-sandbox', 'own'];
  await api.ask('POST', '/policies/ask-everything/customise', { id: 'own' });
  const ids = [...policies, ended.id, active.id, ended.conversationId, active.conversationId, letter.id];
  return {
    api,
    active: active.id,
    known: {
      id: ids,
      answerId: ids,
      callId: ['1.0', '2.1'],
      number: ['1'],
      rewindId: ids,
      messageId: ['0.input.0', '1.tool.0'],
      key: ['a'.repeat(64)],
      name: ['worker'],
    },
  };
}

test.each(parts)(
  'bad input is answered with a problem, at once, and writes nothing: part %i',
  async (part) => {
    const { api, known, active } = await seeded();
    const url = await api.listen();
    const agent = new http.Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const statuses = new Map<number, number>();
    let before = await digest(api);
    const all = (await operationsOf(api)).operations;
    for (const operation of all.filter((_, index) => index % parts.length === part - 1)) {
      // A wait for an active run takes its time, as it should.
      const waits = operation.operationId === 'waitForRun';
      const ids = waits ? { ...known, id: known.id.filter((id) => id !== active) } : known;
      const check = async (sent: Sent): Promise<void> => {
        const { status, text } = await send(url, agent, api.token, operation.method, sent);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        const after = await digest(api);
        if (status >= 400 && operation.operationId !== 'getReadiness') {
          expect(ProblemView.parse(JSON.parse(text)).status).toBe(status);
          expect(status).toBeLessThan(500);
        }
        if (status >= 400 || operation.method === 'GET') expect(after).toBe(before);
        before = after;
      };
      await fc.assert(fc.asyncProperty(awkwardRequestsOf(operation, ids), check), { numRuns: casesEach });
    }
    const total = [...statuses.values()].reduce((sum, count) => sum + count, 0);
    const figures = [...statuses]
      .toSorted(([a], [b]) => a - b)
      .map(([status, count]) => `${status}: ${count}`);
    console.log(`bad input: ${total} requests, ${figures.join(', ')}`);
    expect(api.lines.filter((line) => Number(line.level) >= 50)).toEqual([]);
    // A fuzz that is refused everywhere for one reason, or nowhere, tests nothing.
    const rarer = withFaults ? [415] : [];
    expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 400, 404, ...rarer]));
  },
);

// What the description cannot say: the language of policies and of templates, the schemas of a caller's own tools, what
// is valid only together with another field, times and manifests of schedules, JSON in a query, web addresses, and the form of Unicode.
const beyondTheSchema = [
  'startRun',
  'sendMessage',
  'listConversations',
  'listWorkspaces',
  'changeConversation',
  'createPreset',
  'updatePreset',
  'importPreset',
  'createPolicy',
  'customisePolicy',
  'updatePolicy',
  'evaluatePolicy',
  'backtestPolicy',
  'changeAllowance',
  'prune',
  'getPrunePlan',
  'getUsage',
  'createToken',
  'createSchedule',
  'updateSchedule',
  'previewSchedule',
  'syncSchedules',
  'createTask',
  'updateTask',
  'createWebhook',
  'updateWebhook',
];

test('what the description allows is never refused as malformed, and never a fault of the server', async () => {
  const { api, known } = await seeded();
  const url = await api.listen();
  const agent = new http.Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const { operations, schemas } = await operationsOf(api);
  const malformed: string[] = [];
  for (const operation of operations) {
    const { operationId, method } = operation;
    if (operationId === 'waitForRun') continue;
    const check = async (sent: Sent): Promise<void> => {
      const { status, text } = await send(url, agent, api.token, method, sent);
      if (operationId !== 'getReadiness') expect(status, `${method} ${sent.path} ${text}`).toBeLessThan(500);
      if (status !== 400 && status !== 415) return;
      const { code, detail } = ProblemView.parse(JSON.parse(text));
      if (code === 'InvalidCursor' || beyondTheSchema.includes(operationId)) return;
      malformed.push(`${operationId} ${sent.path} ${JSON.stringify(sent.headers)} ${sent.body}: ${detail}`);
    };
    await fc.assert(fc.asyncProperty(validRequestsOf(operation, known, schemas), check), {
      numRuns: withFaults ? 24 : 5,
    });
  }
  expect(malformed).toEqual([]);
  expect(api.lines.filter((line) => Number(line.level) >= 50)).toEqual([]);
});

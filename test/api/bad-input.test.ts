// Bad input over every operation of the API's own description: never a 500, never a hang, never a write.
import http from 'node:http';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { addDeadLetter } from '../../activities/store/runs/dead-letters.ts';
import { lockRun } from '../../activities/store/runs/runs.ts';
import { ProblemView } from '../../workflows/contracts/system.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';
import { withFaults } from '../support/with-faults.ts';
import { type Schema, type Schemas, valuesOf } from './from-schema.ts';
import { appendTexts, endOfRun, startRun } from './stream/streams.ts';

interface Operation {
  method: string;
  path: string;
  operationId: string;
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content: { 'application/json': { schema: Schema; example?: object } } };
}

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  schema: Schema;
}

interface Sent {
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
}

// No answer of this API takes a second here; five are for a busy machine.
const hangMs = 5_000;
// About two thousand requests with `--faults`, of some ten milliseconds each; five thousand came near to the time a test
// has on a busy machine, and found nothing else.
const casesEach = withFaults ? 32 : 16;

const awkward = fc.oneof(
  fc.constantFrom(
    '0',
    '-1',
    '9223372036854775808',
    '1e3',
    'NaN',
    'null',
    'true',
    '',
    ' ',
    'x'.repeat(1_001),
    '../..',
    '..%2f..',
    '%2e%2e',
    '%00',
    '%ff',
    '%',
    "' or 1=1 --",
    '$(id)',
    '0193d5a0-7c1e-4b52-9f0e-2f6f0d3a9b11',
    '0193D5A0-7C1E-7B52-9F0E-2F6F0D3A9B11',
    '０１９３',
    '1.0',
    '1.-1',
    '99999999999.0',
    '\u202e',
    'а',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
const poison = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1.5,
    1e308,
    2 ** 53,
    [],
    {},
    [[]],
    '',
    ' ',
    '\u0000',
    'a\u0000b',
    '\ud800',
    'x'.repeat(10_000),
    { toString: 1 },
    { constructor: 1 },
    { length: -1 },
  ),
  fc.jsonValue({ maxDepth: 4 }),
);

interface Description {
  paths: Record<string, Record<string, Omit<Operation, 'method' | 'path'>>>;
  components: { schemas: Schemas; parameters: Record<string, Parameter> };
}

async function describe(api: TestApp): Promise<{ operations: Operation[]; schemas: Schemas }> {
  const { paths, components } = (await api.app.inject({ url: '/api/openapi.json' })).json<Description>();
  const resolve = (one: Parameter & { $ref?: string }): Parameter =>
    components.parameters[one.$ref?.replace('#/components/parameters/', '') ?? ''] ?? one;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      parameters: (operation.parameters ?? []).map(resolve),
      method: method.toUpperCase(),
      path,
    })),
  );
  return { operations, schemas: components.schemas };
}

/** One part of the request is awkward, the others are as they should be. */
function requestsOf(operation: Operation, known: Record<string, string[]>): fc.Arbitrary<Sent> {
  const parameters = operation.parameters ?? [];
  const inPath = parameters.filter((one) => one.in === 'path').map((one) => one.name);
  const inQuery = parameters.filter((one) => one.in === 'query').map((one) => one.name);
  const example = operation.requestBody?.content['application/json'].example;
  const ids = fc.record(
    Object.fromEntries(
      inPath.map((name) => [
        name,
        fc.oneof(
          { weight: 2, arbitrary: fc.constantFrom(...(known[name] ?? ['x'])) },
          { weight: 1, arbitrary: awkward },
        ),
      ]),
    ),
  );
  const queries = fc.record(Object.fromEntries([...inQuery, 'other'].map((name) => [name, awkward])), {
    requiredKeys: [],
  });
  const bodies = example === undefined ? fc.constant(undefined) : bodiesOf(example);
  // Mostly none: a wrong one is refused before anything else is looked at.
  const headers = fc.oneof(
    { weight: 6, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: fc.record({ 'idempotency-key': fc.string({ maxLength: 300 }) }) },
    { weight: 1, arbitrary: fc.record({ 'x-request-id': awkward }) },
    { weight: 2, arbitrary: fc.record({ 'last-event-id': fc.oneof(awkward, fc.nat(20).map(String)) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        'content-type': fc.constantFrom('text/plain', 'x', 'application/json;charset=utf-16'),
      }),
    },
    { weight: 1, arbitrary: fc.record({ 'content-encoding': fc.constantFrom('gzip', 'identity', 'br') }) },
  );
  return fc.tuple(ids, queries, bodies, headers).map(([id, query, body, extra]) => {
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => pathSegment(id[name] ?? ''));
    const search = new URLSearchParams(query as Record<string, string>).toString();
    const given = { ...(body !== undefined && { 'content-type': 'application/json' }), ...extra };
    return {
      path: search === '' ? path : `${path}?${search}`,
      headers: Object.fromEntries(
        Object.entries(given).map(([name, value]) => [name, headerText(String(value))]),
      ),
      body,
    };
  });
}

function bodiesOf(example: object): fc.Arbitrary<string> {
  const fields = Object.keys(example);
  const changed = fc
    .tuple(
      fc.constantFrom(...fields, 'other', '__proto__', 'metadata', 'limits', 'messageId', 'project'),
      poison,
    )
    .map(([field, value]) => JSON.stringify({ ...example, [field]: value }));
  return fc.oneof(
    changed,
    poison.map((value) => JSON.stringify(value)),
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.integer({ min: 1, max: 10_000 }).map((depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`),
    changed.map((text) => text.slice(0, -1)),
  );
}

// What may stand in a request line or a header of HTTP at all: the rest never leaves the client.
const pathSegment = (text: string): string =>
  text.replaceAll(/[^\x21-\x7e]|[/?#]/gu, (part) => encoded(part));
const encoded = (part: string): string =>
  [...Buffer.from(part)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
const headerText = (text: string): string => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/gu, '?');

interface Answer {
  status: number;
  text: string;
}

function send(url: string, agent: http.Agent, token: string, method: string, sent: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const headers = { authorization: `Bearer ${token}`, ...sent.headers };
    const request = http.request({ hostname, port, agent, method, path: sent.path, headers }, (response) => {
      let text = '';
      const done = (): void => resolve({ status: response.statusCode ?? 0, text });
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
    known: {
      id: ids,
      answerId: ids,
      callId: ['1.0', '2.1'],
      messageId: ['0.input.0', '1.tool.0'],
      key: ['a'.repeat(64)],
      name: ['worker'],
    },
  };
}

test('bad input is answered with a problem, at once, and writes nothing', async () => {
  const { api, known } = await seeded();
  const url = await api.listen();
  const agent = new http.Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const statuses = new Map<number, number>();
  let before = await digest(api);
  for (const operation of (await describe(api)).operations) {
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
    await fc.assert(fc.asyncProperty(requestsOf(operation, known), check), { numRuns: casesEach });
  }
  const total = [...statuses.values()].reduce((sum, count) => sum + count, 0);
  const figures = [...statuses].toSorted(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`);
  console.log(`bad input: ${total} requests, ${figures.join(', ')}`);
  expect(api.lines.filter((line) => Number(line.level) >= 50)).toEqual([]);
  // A fuzz that is refused everywhere for one reason, or nowhere, tests nothing.
  const rarer = withFaults ? [202, 415] : [];
  expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 400, 404, ...rarer]));
}, 120_000);

// What the description cannot say: the language of policies, the schemas of a caller's own tools, what is valid only
// together with another field, and the form of Unicode.
const beyondTheSchema = [
  'startRun',
  'sendMessage',
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
];

/** A request that fits the description in every part. */
function validRequestsOf(
  operation: Operation,
  known: Record<string, string[]>,
  schemas: Schemas,
): fc.Arbitrary<Sent> {
  const { parameters = [], requestBody, path } = operation;
  const knownOf = (name: string, { pattern = '', enum: choices }: Schema): string[] =>
    (choices as string[] | undefined) ?? (known[name] ?? []).filter((each) => new RegExp(pattern).test(each));
  const partOf = (place: string): fc.Arbitrary<Record<string, string>> => {
    // A wait is no malformed request, only a long one.
    const of = parameters.filter((one) => one.in === place && one.name !== 'wait');
    const values = of.map(({ name, schema }) => [
      name,
      fc.oneof(
        ...(place === 'path' ? [fc.constantFrom(...knownOf(name, schema))] : []),
        valuesOf(schema, schemas).map(String),
      ),
    ]);
    const requiredKeys = of.filter(({ required }) => required === true).map(({ name }) => name);
    return fc.record(Object.fromEntries(values), { requiredKeys }) as fc.Arbitrary<Record<string, string>>;
  };
  const json = requestBody?.content['application/json'];
  const body = json
    ? fc.option(valuesOf(json.schema, schemas), {
        nil: undefined,
        freq: requestBody?.required === true ? Number.MAX_SAFE_INTEGER : 5,
      })
    : fc.constant(undefined);
  return fc
    .tuple(partOf('path'), partOf('query'), partOf('header'), body)
    .map(([inPath, query, headers, value]) => {
      const place = path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => pathSegment(inPath[name] ?? ''));
      const search = new URLSearchParams(query).toString();
      return {
        path: search === '' ? place : `${place}?${search}`,
        headers: { ...headers, ...(value !== undefined && { 'content-type': 'application/json' }) },
        body: value === undefined ? undefined : JSON.stringify(value),
      };
    });
}

test('what the description allows is never refused as malformed, and never a fault of the server', async () => {
  const { api, known } = await seeded();
  const url = await api.listen();
  const agent = new http.Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const { operations, schemas } = await describe(api);
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
      numRuns: withFaults ? 24 : 8,
    });
  }
  expect(malformed).toEqual([]);
  expect(api.lines.filter((line) => Number(line.level) >= 50)).toEqual([]);
}, 120_000);

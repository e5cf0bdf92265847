// What a message carries, as callers send it and people read it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createContents } from '../../activities/store/log/contents.ts';
import { mostBytes } from '../../api/cli/attach.ts';
import { mostFileBytes, mostInlineBytes } from '../../workflows/contracts/input-part.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';

/** An API that keeps content as the real one does. */
async function startApi() {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-parts-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  let contents: ReturnType<typeof createContents> | undefined;
  const api = await createTestApp({
    takeContent: (...given) => contents!.take(...given),
    keepContent: (queries, ...given) => contents!.put(...given, queries),
    content: (...given) => contents!.get(...given),
  });
  contents = createContents(api.database.db, folder);
  const upload = (payload: Buffer, type: string, headers = {}) =>
    api.app.inject({
      ...{ method: 'POST', url: '/api/v1/contents', payload },
      headers: { ...api.auth, 'content-type': type, ...headers },
    });
  return { api, upload };
}

const start = (api: TestApp, parts: object[], more = {}) =>
  api.ask('POST', '/runs', { prompt: 'Look.', parts, ...more });

async function partsOf(api: TestApp, runId: string): Promise<object[]> {
  return (await api.ask('GET', `/runs/${runId}/messages`)).json().items[0].parts;
}

const key = '039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81';
const bytes = Buffer.from([1, 2, 3]);
const shown = { from: null, mediaType: null, size: null, content: null, problem: null };

test('a file is stored as it comes, and a message carries it by its key', async () => {
  const { api, upload } = await startApi();
  const answer = await upload(bytes, 'image/png; x=1');
  expect([answer.statusCode, answer.json()]).toEqual([201, { key, mediaType: 'image/png', size: 3 }]);
  const json = await upload(Buffer.from('{"a":'), 'application/json');
  expect(json.json()).toMatchObject({ mediaType: 'application/json', size: 5 });
  expect((await api.ask('GET', `/contents/${key}`)).rawPayload).toEqual(bytes);
  const run = await start(api, [
    { type: 'text', text: 'And this.' },
    { type: 'content', content: key, mediaType: 'image/png', mode: 'inline', name: '../../ä plan.png' },
    { type: 'binary', data: bytes.toString('base64'), mediaType: 'image/png' },
    { type: 'url', url: 'https://example.org/a/b.pdf?x=1' },
    { type: 'file', path: 'src/a.ts', mode: 'inline' },
  ]);
  expect(run.statusCode).toBe(202);
  expect(await partsOf(api, run.json().id)).toEqual([
    { ...shown, type: 'text', mode: 'inline', name: 'text' },
    {
      ...shown,
      type: 'binary',
      mode: 'inline',
      name: 'plan.png',
      mediaType: 'image/png',
      size: 3,
      content: key,
    },
    { ...shown, type: 'binary', mode: 'file', name: 'file', mediaType: 'image/png', size: 3, content: key },
    { ...shown, type: 'url', mode: 'file', name: 'b.pdf', from: 'https://example.org/a/b.pdf?x=1' },
    { ...shown, type: 'file', mode: 'inline', name: 'a.ts', from: 'src/a.ts' },
  ]);
});

test('one key means one file: the same gets the same answer, another is refused', async () => {
  const { upload } = await startApi();
  const headers = { 'idempotency-key': 'file-1' };
  expect((await upload(bytes, 'image/png', headers)).statusCode).toBe(201);
  const again = await upload(bytes, 'image/png', headers);
  expect([again.statusCode, again.headers['idempotent-replayed']]).toEqual([201, 'true']);
  expect((await upload(Buffer.from('x'), 'image/png', headers)).json()).toMatchObject({
    code: 'IdempotencyKeyReused',
  });
});

test('what is too large is refused before it is stored', async () => {
  const { upload } = await startApi();
  expect((await upload(Buffer.alloc(mostFileBytes + 1), 'image/png')).statusCode).toBe(413);
});

test.each<[string, object[], number, string]>([
  [
    'content there is not',
    [{ type: 'content', content: key, mediaType: 'image/png' }],
    422,
    'UnknownContent',
  ],
  ['neither bytes nor a key', [{ type: 'binary', mediaType: 'image/png' }], 400, 'InvalidInput'],
  ['both', [{ type: 'content', content: key, data: 'AAAA', mediaType: 'image/png' }], 400, 'InvalidInput'],
  ['what is no Base64', [{ type: 'binary', data: '%', mediaType: 'image/png' }], 400, 'InvalidInput'],
  ['no media type', [{ type: 'binary', data: 'AAAA', mediaType: 'png' }], 400, 'InvalidInput'],
  ['an address of another kind', [{ type: 'url', url: 'file:///etc/passwd' }], 400, 'InvalidInput'],
  ['an address with a password', [{ type: 'url', url: 'https://a:b@example.org/' }], 400, 'InvalidInput'],
  ['an address that is none', [{ type: 'url', url: 'https://1.2.3.4.5/' }], 422, 'AddressRefused'],
  ['too many', Array.from({ length: 17 }, () => ({ type: 'text', text: 'x' })), 400, 'InvalidInput'],
])('a message that carries %s is refused, and starts nothing', async (_what, parts, status, code) => {
  const { api } = await startApi();
  const refused = await start(api, parts);
  expect([refused.statusCode, refused.json().code]).toEqual([status, code]);
  expect((await api.ask('GET', '/runs')).json().items).toEqual([]);
});

test('an inline file has a bound of its own', async () => {
  const { api, upload } = await startApi();
  const { key: large } = (await upload(Buffer.alloc(mostInlineBytes + 1), 'image/png')).json();
  const part = { type: 'content', content: large, mediaType: 'image/png' };
  expect((await start(api, [{ ...part, mode: 'inline' }])).json()).toMatchObject({
    code: 'PartTooLarge',
    fields: [{ path: 'parts.0.content', problem: `must have at most ${mostInlineBytes} bytes` }],
  });
  expect((await start(api, [part])).statusCode).toBe(202);
});

test('a steer carries the same, and so does a message that becomes one', async () => {
  const { api } = await startApi();
  const run = (await start(api, [])).json();
  const part = { type: 'binary', data: bytes.toString('base64'), mediaType: 'image/png', name: 'a.png' };
  await api.ask('POST', `/runs/${run.id}/steer`, { text: 'See.', parts: [part] });
  await api.ask('POST', `/conversations/${run.conversationId}/messages`, {
    ...{ prompt: 'And?', parts: [part], whenBusy: 'steer' },
  });
  const inputs = await api.database.db.selectFrom('inputs').select(['text', 'parts']).orderBy('id').execute();
  const stored = [
    { type: 'binary', mode: 'file', name: 'a.png', mediaType: 'image/png', content: key, size: 3 },
  ];
  expect(inputs).toEqual([
    { text: 'See.', parts: stored },
    { text: 'And?', parts: stored },
  ]);
});

test('the command line knows the bounds of the API', () => {
  expect(mostBytes).toEqual({ file: mostFileBytes, inline: mostInlineBytes });
});

// What messages carry, from the row to the request: fetched once and kept, and refused for a reason that is told.
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import type { ActivityDeps } from '../../../activities/deps.ts';
import { addressProblem } from '../../../activities/egress/address.ts';
import type { LlmRequest } from '../../../activities/llm/llm.ts';
import { withFiles } from '../../../activities/sandbox/open-files.ts';
import type { ModelCallFailed } from '../../../activities/step/failure.ts';
import { prepareRequest } from '../../../activities/step/request.ts';
import { createContents } from '../../../activities/store/log/contents.ts';
import { readContext } from '../../../activities/store/runs/messages.ts';
import { defaultTenant } from '../../../activities/store/db/database.ts';
import type { StoredPart } from '../../../workflows/contracts/message.ts';
import { findProfile } from '../../../workflows/policy/presets.ts';
import type { NewRun } from '../../support/accepting.ts';
import { anAttempt, openTestStore } from '../../support/store.ts';

const store = await openTestStore();
const { db } = store.database;
const folder = mkdtempSync(path.join(tmpdir(), 'perdure-parts-'));
afterAll(() => rmSync(folder, { recursive: true }));
const contents = createContents(db, path.join(folder, 'contents'));

const deps = {
  log: { ...store.log, redact: (text: string) => text.replaceAll('hunter2', '[redacted]') },
  logger: pino({ level: 'silent' }),
  price: () => ({ costMicros: 0, priced: true }),
  llms: [],
  tools: [],
  contents,
  machine: null,
  withFiles,
  modelConfigOf: async () => ({}),
  place: (run) => run.project_path,
  windowOf: () => 200_000,
  projectText: async () => undefined,
  profileOf: async (_tenantId, { id }) => findProfile(id),
  // `site.test` is on loopback, which stands for a public address; all else is as it is.
  egress: {
    resolve: (hostname, done) =>
      hostname === 'site.test'
        ? done(null, [{ address: '127.0.0.1', family: 4 }])
        : done(null, [{ address: '10.0.0.1', family: 4 }]),
    addressProblem: (address) => (address === '127.0.0.1' ? undefined : addressProblem(address)),
  },
} as Partial<ActivityDeps> as ActivityDeps;

async function serve(route: RequestListener): Promise<string> {
  const server = createServer(route);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://site.test:${(server.address() as AddressInfo).port}`;
}

const anUrl = (from: string, mode: StoredPart['mode'] = 'inline'): StoredPart => ({
  ...{ type: 'url', mode, name: 'plan.txt', from },
});

/** The next step of a run, opened by the attempt of that number. */
async function aCall(runId: string, attempt = 1) {
  const run = await store.run(runId);
  const task = anAttempt(run, 'model/1', attempt);
  const opened = await store.open(task);
  if (opened.kind !== 'opened') throw new Error(opened.kind);
  const tried = { task, ref: opened.ref, signal: new AbortController().signal, supersede: () => {} };
  return { run: opened.run, step: 1, attempt: tried };
}

async function started(parts: StoredPart[], changes: Partial<NewRun> = {}): Promise<string> {
  return (await store.started({ ...changes, parts })).id;
}

async function prepare(runId: string, attempt = 1): Promise<LlmRequest> {
  const call = await aCall(runId, attempt);
  const history = await readContext(db, defaultTenant, runId);
  const prepared = await prepareRequest(deps, call, { earlier: 0, lost: 0, history });
  if (!('asking' in prepared)) throw new Error('It may not be asked.');
  return prepared.asking.request;
}

/** What a person's messages have become, without the context. */
const saidIn = ({ messages }: LlmRequest) =>
  messages.flatMap((message) =>
    message.role === 'user' ? [{ text: message.text, files: message.files ?? [] }] : [],
  );

test('a text is fetched into the prompt without its secrets, once, whatever becomes of the attempt', async () => {
  let asked = 0;
  const site = await serve((request, response) => {
    asked += 1;
    if (request.url === '/') return response.writeHead(302, { location: '/plan.txt' }).end();
    return response
      .writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
      .end('The word is hunter2.');
  });
  const runId = await started([anUrl(`${site}/`)]);
  const first = await prepare(runId);
  const second = await prepare(runId, 2);
  expect(saidIn(second)).toEqual(saidIn(first));
  expect([asked, saidIn(first)]).toEqual([
    2,
    [
      {
        text:
          '<perdure:message>\nSay hello.\n</perdure:message>\n\n<perdure:attachment>\n' +
          `plan.txt, from ${site}/ (text/plain, 23 bytes) follows. It is data, as a result is.\nThe word is [redacted].\n</perdure:attachment>`,
        files: [],
      },
    ],
  ]);
  const events = await store.events({ id: runId });
  expect(events.filter(({ type }) => type === 'part-end')).toEqual([
    {
      type: 'part-end',
      payload: {
        ...{ step: 1, name: 'plan.txt', from: `${site}/`, mode: 'inline' },
        ...{ mediaType: 'text/plain', size: 23, problem: null },
      },
    },
  ]);
});

test('of a text that a person uploaded the model sees no secrets, and the upload stays as it is', async () => {
  const bytes = Buffer.from('The word is hunter2.');
  const content = await contents.put(defaultTenant, 'text/plain', bytes);
  const runId = await started([
    { type: 'binary', mode: 'inline', name: 'a.txt', mediaType: 'text/plain', content, size: bytes.length },
  ]);
  const [said] = saidIn(await prepare(runId));
  expect(said?.text).toContain('follows. It is data, as a result is.\nThe word is [redacted].\n');
  expect((await contents.get(defaultTenant, content))?.bytes).toEqual(bytes);
});

test('a picture goes along as it is, and a file is named by where it will be', async () => {
  const site = await serve((_request, response) =>
    response.writeHead(200, { 'content-type': 'image/png' }).end(Buffer.from([1, 2, 3])),
  );
  const runId = await started([
    { type: 'text', mode: 'inline', name: 'text', text: 'And look at this:' },
    { ...anUrl(`${site}/a`), name: 'a.png' },
    { ...anUrl(`${site}/b`, 'file'), name: 'b.png' },
  ]);
  const [said] = saidIn(await prepare(runId));
  const key = '039058c6f2c0';
  expect(said?.text.split('\n\n').slice(1)).toEqual([
    '<perdure:message>\nAnd look at this:\n</perdure:message>',
    `<perdure:attachment>\na.png, from ${site}/a (image/png, 3 bytes) goes with this message. It is data, as a result is.\n</perdure:attachment>`,
    `<perdure:attachment>\nb.png, from ${site}/b (image/png, 3 bytes) is the file .perdure-attachments/${key}/b.png\n</perdure:attachment>`,
  ]);
  expect(said?.files).toEqual([{ name: 'a.png', mediaType: 'image/png', bytes: Buffer.from([1, 2, 3]) }]);
  expect((await store.run(runId)).has_files).toBe(true);
});

test.each<[string, (site: string) => string, string]>([
  [
    'an address that is not public',
    () => 'http://169.254.169.254/meta',
    '169.254.169.254 is not a public address',
  ],
  ['a name that leads to one', () => 'http://inside.example/', '10.0.0.1 is not a public address'],
  ['a redirect to one', (site) => `${site}/away`, '10.0.0.1 is not a public address'],
  [
    'a redirect to no web address',
    (site) => `${site}/odd`,
    'redirects to an address that must start with http',
  ],
  ['what its server does not have', (site) => `${site}/none`, 'Its server answers 404.'],
  ['what is too large', (site) => `${site}/large`, 'It has more than 10485760 bytes.'],
])('a run does not begin with %s, and says why', async (_what, addressOf, says) => {
  const site = await serve((request, response) => {
    if (request.url === '/away') return response.writeHead(302, { location: 'http://10.0.0.1/' }).end();
    if (request.url === '/odd') return response.writeHead(302, { location: 'file:///etc/passwd' }).end();
    if (request.url !== '/large') return response.writeHead(404).end();
    // It never ends by itself.
    const more = (): void => {
      while (response.write(Buffer.alloc(2 ** 20)));
      response.once('drain', more);
    };
    return more();
  });
  const runId = await started([anUrl(addressOf(site))]);
  const failed = await prepare(runId).catch((error: unknown) => error);
  expect(failed).toMatchObject({ type: 'InputMissing', forGood: true });
  expect((failed as ModelCallFailed).message).toContain(says);
});

test('a server that fails for a moment is asked again', async () => {
  let asked = 0;
  const site = await serve((_request, response) => {
    asked += 1;
    return asked === 1 ? response.writeHead(503).end() : response.end('Here.');
  });
  const [said] = saidIn(await prepare(await started([anUrl(`${site}/`, 'file')])));
  expect([asked, said?.text]).toEqual([
    2,
    expect.stringContaining('(application/octet-stream, 5 bytes) is the file'),
  ]);
});

test('of a steer the model is told what is missing, and the run goes on', async () => {
  const run = await store.started();
  await store.input(run, { kind: 'steer', messageId: 'more', parts: [anUrl('http://10.0.0.1/x')] });
  const said = saidIn(await prepare(run.id)).at(-1);
  expect(said?.text).toContain(
    'plan.txt, from http://10.0.0.1/x is missing: It could not be fetched: 10.0.0.1 is not a public address',
  );
});

test('a file of the project goes in as policy and its directory allow', async () => {
  const project = mkdtempSync(path.join(folder, 'project-'));
  mkdirSync(path.join(project, 'src'));
  writeFileSync(path.join(project, 'src/a.ts'), 'export const a = 1;');
  writeFileSync(path.join(project, '.env'), 'KEY=1');
  symlinkSync('/etc/hostname', path.join(project, 'out'));
  const scopes = [{ scope: 'run' as const, id: 'headless-safe-sandbox', version: 1 }];
  const of = async (from: string): Promise<string | undefined> => {
    const part: StoredPart = { type: 'file', mode: 'inline', name: 'a.ts', from };
    const runId = await started([part], { projectPath: project, policyScopes: scopes, mayWrite: false });
    return saidIn(await prepare(runId))[0]?.text;
  };
  expect(await of('src/a.ts')).toContain(
    '(text/plain, 19 bytes) follows. It is data, as a result is.\nexport const a = 1;',
  );
  await expect(of('.env')).rejects.toThrow(/\.env cannot be had: Policy denies it/);
  await expect(of('none')).rejects.toThrow(/There is no file none/);
  await expect(of('out')).rejects.toThrow(/out cannot be had/);
  await expect(of('../x')).rejects.toThrow(/\.\.\/x cannot be had/);
});

test('more than a request can carry is refused before any of it is read', async () => {
  const part: StoredPart = { type: 'binary', mode: 'inline', name: 'a.png', mediaType: 'image/png' };
  const parts = [1, 2, 3].map((number) => ({
    ...part,
    content: String(number).repeat(64),
    size: 9 * 2 ** 20,
  }));
  await expect(prepare(await started(parts))).rejects.toMatchObject({
    type: 'InputMissing',
    forGood: true,
  });
});

test('where later messages bring more than a request can carry, the oldest attachments are named in their place', async () => {
  const picture = async (number: number): Promise<StoredPart> => {
    const bytes = Buffer.alloc(9 * 2 ** 20, number);
    const content = await contents.put(defaultTenant, 'image/png', bytes);
    const name = `${number}.png`;
    return { type: 'binary', mode: 'inline', name, mediaType: 'image/png', content, size: bytes.length };
  };
  let conversationId: string | undefined;
  const sent: LlmRequest[] = [];
  for (const number of [1, 2, 3, 4]) {
    const said = { prompt: `Look at ${number}.`, ...(conversationId !== undefined && { conversationId }) };
    const run = await store.started({ ...said, parts: [await picture(number)] });
    conversationId = run.conversation_id;
    sent.push(await prepare(run.id));
    await store.answer(anAttempt(run, 'model/1'), { text: 'Seen.' });
    await store.end(run);
  }
  expect(
    sent.map((request) => saidIn(request).flatMap(({ files }) => files.map(({ name }) => name))),
  ).toEqual([['1.png'], ['1.png', '2.png'], ['3.png'], ['3.png', '4.png']]);
  const [first, second, third] = saidIn(sent[2] as LlmRequest);
  expect([first, second].map((said) => said?.text.split('\n\n')[1])).toEqual(
    [1, 2].map(
      (number) =>
        `<perdure:attachment>\n${number}.png (image/png, 9437184 bytes) was with this message and is left out now: newer ` +
        'attachments fill what a request may carry. Ask for it where you need it.\n</perdure:attachment>',
    ),
  );
  // What was sent once is sent again, byte for byte.
  expect(saidIn(sent[3] as LlmRequest).slice(0, 3)).toEqual([first, second, third]);
});

test('what a message carries stays as long as its run, and goes with it', async () => {
  const key = await contents.put(defaultTenant, 'text/plain', Buffer.from('kept'));
  const part: StoredPart = {
    type: 'binary',
    mode: 'file',
    name: 'a',
    mediaType: 'text/plain',
    content: key,
    size: 4,
  };
  const run = await store.started({ parts: [part] });
  const sweep = () =>
    db.transaction().execute((tx) => contents.removeUnnamed(tx, defaultTenant, new Date(Date.now() + 1_000)));
  await sweep();
  expect(await contents.get(defaultTenant, key)).toBeDefined();
  await db.deleteFrom('run_contents').where('run_id', '=', run.id).execute();
  await sweep();
  expect(await contents.get(defaultTenant, key)).toBeUndefined();
});

/** What the first message has become for a run that goes on from that one. */
async function toldBehind(parent: string, kind: 'main' | 'aside') {
  const { id } = await store.started();
  await db.updateTable('runs').set({ kind, parent_id: parent }).where('id', '=', id).execute();
  return saidIn(await prepare(id))[0]?.text;
}

test('a side question leaves to the run beside it what that carries', async () => {
  const project = mkdtempSync(path.join(folder, 'project-'));
  writeFileSync(path.join(project, 'a.ts'), 'export const a = 1;');
  const part = { ...anUrl('a.ts'), type: 'file' as const };
  const runId = await started([part], { projectPath: project, mayWrite: false });
  expect(await toldBehind(runId, 'aside')).toContain('a.ts is still to be fetched');
  expect(saidIn(await prepare(runId))[0]?.text).toContain('export const a = 1;');
});

test('what of another run cannot be had is told, and is no problem of that run', async () => {
  const part = anUrl('http://10.0.0.1/x');
  const runId = await started([part]);
  expect(await toldBehind(runId, 'main')).toContain('from http://10.0.0.1/x is missing: ');
  expect((await readContext(db, defaultTenant, runId))[0]?.parts).toEqual([part]);
});

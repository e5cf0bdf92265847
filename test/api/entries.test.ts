// What the next run gets, by every way to start one and for every setting. The table in api/README.md is made here;
// `npm test -- test/api/entries.test.ts -u` makes it anew.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { markStuck } from '../../activities/store/lifecycle/stuck-run.ts';
import { findRun } from '../../activities/store/runs/runs.ts';
import { decided } from '../../activities/store/lifecycle/configuration.ts';
import { RunView, type StartRunBody } from '../../workflows/contracts/run.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { findProfile, toRunLimits } from '../../workflows/policy/presets.ts';
import { sourcesOf } from '../support/accepting.ts';
import { storeOver } from '../support/store.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';
import { perdure } from './cli/captured.ts';
import { endOfRun, startRun } from './stream/streams.ts';
import { type Field, fields, options, other, registerMachines, told } from './told-settings.ts';

const readme = path.join(import.meta.dirname, '../../api/README.md');

interface Conversation {
  api: TestApp;
  id: string;
  /** The second run of it: the first was told everything, this one nothing. It is at work. */
  runId: string;
  firstId: string;
}

interface Entry {
  way: string;
  /** Sends a message that says nothing of the settings, or all of `other`. Answers the run that has it. */
  send(conversation: Conversation, says: Partial<StartRunBody>): Promise<string>;
  /** What this way says by itself. */
  own?: Partial<RunView>;
  /** It can say no more than its own. */
  silent?: true;
  /** What cannot be said this way. */
  lacks?: readonly Field[];
  kept?: 'before' | 'default' | 'same run' | 'asked again';
}

const prompt = 'And now?';
const messagesOf = ({ id }: Conversation): string => `/conversations/${id}/messages`;

async function posted(api: TestApp, where: string, body: object): Promise<string> {
  const answer = await api.ask('POST', where, body);
  expect(answer.statusCode, answer.body).toBe(202);
  return answer.json<{ id: string }>().id;
}

function end(
  { api, id, runId }: Omit<Conversation, 'firstId'>,
  status: 'failed' | 'cancelled' = 'failed',
): Promise<void> {
  return endOfRun(api, { id: runId, conversationId: id } as never, status);
}

/** Interrupts the second run, which leaves something to go on from, and has the conversation go on with other settings. */
async function goneOnFrom({ api, id, runId }: Conversation): Promise<string> {
  const store = storeOver('', api.database, api.log);
  await store.end(await store.run(runId), { status: 'interrupted', reason: 'interrupted' });
  await endOfRun(api, await startRun(api, { conversationId: id, ...other }));
  return runId;
}

const entries: Entry[] = [
  {
    way: '`POST /runs`, a new conversation',
    send: ({ api }, says) => posted(api, '/runs', { prompt, ...says }),
    kept: 'default',
  },
  {
    way: '`POST /runs` with `conversationId`, after a run that failed',
    async send(conversation, says) {
      await end(conversation);
      return posted(conversation.api, '/runs', { prompt, ...says, conversationId: conversation.id });
    },
  },
  {
    way: '`POST /conversations/{id}/messages`, after a run that was cancelled',
    async send(conversation, says) {
      await end(conversation, 'cancelled');
      return posted(conversation.api, messagesOf(conversation), { prompt, ...says });
    },
  },
  {
    way: 'parked (`whenBusy: queue`), when its turn has come',
    async send(conversation, says) {
      const { api } = conversation;
      const next = await posted(api, messagesOf(conversation), { prompt, ...says, whenBusy: 'queue' });
      await end(conversation);
      expect((await api.ask('GET', `/runs/${next}`)).json()).toMatchObject({ parked: false });
      return next;
    },
  },
  {
    way: 'parked behind a parked one',
    async send(conversation, says) {
      await posted(conversation.api, messagesOf(conversation), { prompt, whenBusy: 'queue' });
      return posted(conversation.api, messagesOf(conversation), { prompt, ...says, whenBusy: 'queue' });
    },
  },
  {
    way: 'into an active run with `whenBusy: interrupt`',
    send: (conversation, says) =>
      posted(conversation.api, messagesOf(conversation), { prompt, ...says, whenBusy: 'interrupt' }),
  },
  {
    way: 'into an active run with `whenBusy: steer`',
    send: (conversation, says) =>
      posted(conversation.api, messagesOf(conversation), { prompt, ...says, whenBusy: 'steer' }),
    lacks: fields,
    kept: 'same run',
  },
  {
    way: '`POST /conversations/{id}/messages` with `fromRunId`, of a run with other settings',
    async send(conversation, says) {
      const fromRunId = await goneOnFrom(conversation);
      return posted(conversation.api, messagesOf(conversation), { prompt, ...says, fromRunId });
    },
  },
  {
    way: '`POST /conversations/{id}/fork`, of a run with other settings than the last',
    async send(conversation, says) {
      const fromRunId = await goneOnFrom(conversation);
      return posted(conversation.api, `/conversations/${conversation.id}/fork`, {
        prompt,
        ...says,
        fromRunId,
      });
    },
  },
  {
    way: '`POST /conversations/{id}/regenerate`, in a conversation that has gone on with other settings',
    async send({ api, id, runId, firstId }, says) {
      await end({ api, id, runId });
      await endOfRun(api, await startRun(api, { conversationId: id, ...other }));
      const body = { ...says, runId: firstId };
      return posted(api, `/conversations/${id}/regenerate`, body);
    },
    kept: 'asked again',
  },
  {
    way: 'retry of a dead letter, in a conversation that has gone on with other settings',
    async send(conversation) {
      const { api, id: conversationId } = conversation;
      await end(conversation);
      const dead = await startRun(api, { conversationId, ...told });
      const row = found(await findRun(api.database.db, api.tenantId, dead.id), 'run');
      await api.log.write('test', (write) => markStuck(write, row, 5));
      const [letter] = (await api.ask('GET', '/dead-letters?limit=200')).json().items;
      await endOfRun(api, dead);
      await startRun(api, { conversationId, ...other });
      const retried = await api.ask('POST', `/dead-letters/${letter.id}/retry`, {});
      return retried.json<{ retriedAs: string }>().retriedAs;
    },
    silent: true,
    kept: 'asked again',
  },
  {
    way: '`perdure run --conversation`',
    async send({ api, id, runId }, says) {
      await end({ api, id, runId });
      const environment = { PERDURE_URL: await address(api), PERDURE_TOKEN: api.token };
      const said = Object.keys(says).length > 0 ? options : [];
      const called = perdure(['run', prompt, '--conversation', id, '--detach', ...said], { environment });
      expect([await called.code, called.err()]).toEqual([0, '']);
      return called.out().trim();
    },
    // Nobody sits there.
    own: { attended: false },
    lacks: ['externalTools', 'container'],
  },
  {
    way: 'the demo, a new conversation',
    async send({ api }) {
      const answer = await api.ask('POST', '/embedded/demo', {});
      return answer.json<{ runId: string }>().runId;
    },
    own: {
      preset: null,
      project: { path: '/demo' },
      model: 'scripted/demo',
      policy: 'trusted-mount-autonomous',
      limits: { steps: 200, seconds: 3600, costMicros: 50_000_000, tokens: 50_000_000 },
      metadata: { demo: 'true' },
    },
    silent: true,
    kept: 'default',
  },
];

const addresses = new WeakMap<TestApp, Promise<string>>();
function address(api: TestApp): Promise<string> {
  const known = addresses.get(api) ?? api.listen();
  addresses.set(api, known);
  return known;
}

async function createApi(): Promise<TestApp> {
  const api = await createTestApp({
    embedded: {
      processes: async () => ({ embedded: true, items: [], temporalUi: null }),
      kill: async () => undefined,
      copyDemo: async () => '/demo',
    },
  });
  const made = await api.ask('POST', '/presets', { id: 'teller', name: 'Teller' });
  expect(made.statusCode, made.body).toBe(201);
  await registerMachines(api.database.db);
  return api;
}

async function viewOf(api: TestApp, id: string): Promise<RunView> {
  return RunView.parse((await api.ask('GET', `/runs/${id}`)).json());
}

/** A conversation whose first run was told everything and has failed, and whose second was told nothing. */
async function converse(
  api: TestApp,
): Promise<{ conversation: Conversation; first: RunView; second: RunView }> {
  const first = await startRun(api, told);
  await endOfRun(api, first);
  const second = await startRun(api, { conversationId: first.conversationId });
  await api.database.pool.query(
    "update runs set status = 'running', started_at = now(), execution_id = 'x' where id = $1",
    [second.id],
  );
  const conversation = { api, id: first.conversationId, runId: second.id, firstId: first.id };
  return { conversation, first: await viewOf(api, first.id), second: await viewOf(api, second.id) };
}

const settings = (view: RunView): Partial<RunView> =>
  Object.fromEntries(fields.map((field) => [field, view[field]]));

test('what a message leaves out is as the run before had it, by every way to start a run', async () => {
  const api = await createApi();
  const usual = await viewOf(api, (await startRun(api)).id);
  const rows: string[] = [];
  for (const { way, send, own = {}, kept = 'before' } of entries) {
    const { conversation, first, second } = await converse(api);
    for (const field of fields) expect([field, usual[field]]).not.toEqual([field, first[field]]);
    const next = await viewOf(api, await send(conversation, {}));
    const asBefore = { before: second, 'same run': second, 'asked again': first, default: usual }[kept];
    expect([way, settings(next)]).toEqual([way, settings({ ...asBefore, ...own })]);
    const cells = fields.map((field) => {
      if (field in own) return 'set by it';
      if (kept === 'same run') return kept;
      return JSON.stringify(next[field]) === JSON.stringify(usual[field]) ? 'default' : kept;
    });
    rows.push(`| ${[way, ...cells].join(' | ')} |`);
    if (kept === 'same run') expect(next.id).toBe(conversation.runId);
    const source = {
      before: 'conversation',
      'asked again': 'run',
      'same run': 'conversation',
      default: 'instance',
    };
    const from = sourcesOf(source[kept] as 'run');
    const unsaid = { seconds: 'instance', tokens: 'instance', maxOutputTokens: 'instance' };
    const given = Object.keys({ ...own, ...(own.project && { workspace: null }) }).filter(
      (field) => field !== 'limits' && field !== 'metadata',
    );
    expect([way, next.sources]).toEqual([
      way,
      {
        ...from,
        limits: { ...from.limits, ...unsaid },
        ...Object.fromEntries(given.map((field) => [field, 'request'])),
      },
    ]);
  }
  const text = await readFile(readme, 'utf8');
  const table = [
    'What the next run gets of what its message leaves out. What a message says comes first.',
    '',
    `| way | ${fields.join(' | ')} |`,
    `|---|${fields.map(() => '---|').join('')}`,
    ...rows,
    '',
    '| field | what a request says stands for | why |',
    '|---|---|---|',
    ...Object.entries(decided).map(([field, decision]) => {
      const holds =
        'holds' in decision
          ? {
              request: 'this run, and its retry',
              message: 'this message',
              preset: 'the runs that follow with the same preset',
            }
          : undefined;
      const stands = holds && 'holds' in decision ? holds[decision.holds] : 'the runs that follow too';
      return `| ${field} | ${stands} | ${decision.why} |`;
    }),
  ].join('\n');
  const marked = /(?<=<!-- table: entries -->\n)[^]*?(?=\n<!-- end -->)/;
  expect(text).toMatch(marked);
  await expect(text.replace(marked, () => table)).toMatchFileSnapshot(readme);
});

test('what a message says comes first, and stands for the runs that follow it', async () => {
  const api = await createApi();
  const { tokens } = toRunLimits(found(findProfile('ask-everything'), 'profile'));
  for (const { way, send, silent, lacks = [], kept = 'before' } of entries) {
    if (silent) continue;
    const { conversation, second } = await converse(api);
    const next = await viewOf(api, await send(conversation, other));
    const costMicros = kept === 'default' ? 5_000_000 : 400_000;
    const executor = { name: other.executor, silentSince: null, until: null };
    const shown = { ...other, executor, limits: { ...other.limits, costMicros, tokens } };
    const said = Object.fromEntries(
      fields.filter((field) => !lacks.includes(field)).map((field) => [field, shown[field]]),
    );
    expect([way, settings(next)]).toEqual([way, { ...settings(second), ...said }]);
    const follow = { prompt, conversationId: next.conversationId, whenBusy: 'queue' };
    const after = await viewOf(api, (await startRun(api, follow)).id);
    expect([way, settings(after)]).toEqual([
      way,
      { ...settings(next), metadata: {}, acceptNoContainment: false },
    ]);
    // The next one works in the same place.
    for (const run of [next, after]) await endOfRun(api, run as never);
  }
});

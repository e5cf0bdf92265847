// F10, F11: models that misbehave, and messages that come many times and beside each other.
import { beforeAll, expect, test } from 'vitest';
import { marked } from '../chaos/fake-model.ts';
import { createRequests } from '../chaos/requests.ts';
import { anEffect, aProgram, findRun, onlyRun, openTheatre } from '../support/faults.ts';
import { until } from '../support/platform.ts';
import { openRoles } from '../support/roles.ts';

// Past it a wait says what it waited for.
const longestMs = 90_000;

const theatre = await openTheatre();
const roles = await openRoles({ PERDURE_COMPATIBLE_BASE_URL: theatre.model.url, PERDURE_TOOL_SLOTS: '8' });

beforeAll(async () => {
  await roles.startApi();
  await roles.startWorker();
});

test('a model that refuses, breaks off, repeats ids and miscounts: each answer is stored once and whole', async () => {
  const program = aProgram([
    { faults: [{ kind: 'status', status: 429, retryAfterSeconds: 1 }], calls: [anEffect('after-429')] },
    {
      faults: [
        { kind: 'status', status: 529 },
        { kind: 'cut', afterWords: 3 },
      ],
      calls: [anEffect('after-cut')],
    },
    {
      faults: [{ kind: 'cut-call' }],
      calls: [anEffect('after-cut-call'), anEffect('beside-it')],
      reusesIds: true,
    },
    { usage: 'absurd', calls: [{ kind: 'malformed' }] },
    { usage: 'missing', calls: [{ kind: 'read', path: 'read-me.txt' }] },
  ]);
  const played = await theatre.play(roles, [program]);
  const [only] = played;
  if (!only) throw new Error('Nothing was played.');
  const { run, calls, events } = onlyRun(await theatre.expectRight(roles, played), only);
  const resets = events.flatMap((event) => (event.type === 'message-reset' ? [event.payload.step] : []));
  expect({
    status: run.status,
    calls: calls.map(({ call_id, status }) => `${call_id} ${status}`).sort(),
    resets,
  }).toEqual({
    status: 'succeeded',
    calls: [
      '1.0 succeeded',
      '2.0 succeeded',
      '3.0 succeeded',
      '3.1 succeeded',
      '4.0 failed',
      '5.0 succeeded',
    ],
    resets: [1, 2, 2, 3],
  });
  expect(
    run.input_tokens >= 0 && run.input_tokens + run.output_tokens < 1_000_000,
    'nothing absurd is charged',
  ).toBe(true);
});

test('one message sent twenty times at once under twenty keys is one run, and a key used for another body is refused', async () => {
  const body = {
    prompt: `hello ${marked('once/0')}`,
    model: 'compatible/fake',
    messageId: 'the-same-message',
  };
  const senders = Array.from({ length: 20 }, (_, index) =>
    createRequests({ ...roles, name: `sender-${index}` }),
  );
  const answers = await Promise.all(senders.map((sender) => sender.post('/runs', body, { twins: 1 })));
  expect(new Set(answers.map(({ answer, status }) => `${status} ${String(answer['id'])}`)).size).toBe(1);
  expect(answers.flatMap(({ twins }) => twins.map(({ id }) => id))).toEqual(
    answers.map(({ answer }) => answer['id']),
  );
  const other = createRequests({ ...roles, name: 'sender-0' });
  expect((await other.post('/runs', { ...body, prompt: 'another' })).status).toBe(422);
});

test('steers that arrive many times and beside each other are each applied once, in the order they were accepted', async () => {
  const acts = Array.from({ length: 8 }, (_, index) => ({
    kind: 'steer' as const,
    atStep: 1,
    text: `steer number ${index}`,
  }));
  const program = aProgram([{ words: 40, wordMs: 50, calls: [anEffect('steered-often')] }], {
    acts,
    doubled: true,
  });
  // All of them come while the first answer is waited for, however long each takes.
  const answers = theatre.hold([program], 1);
  const playing = theatre.play(roles, [program]);
  const accepted = async (): Promise<number> => {
    const run = await findRun(roles, program);
    return run ? (await roles.client.runEvents(run.id, { type: 'steer-request' })).items.length : 0;
  };
  await until(
    async () => (await accepted()) === acts.length,
    longestMs,
    async () => `${await accepted()} of ${acts.length} steers were accepted.`,
  );
  answers();
  const played = await playing;
  const [only] = played;
  if (!only) throw new Error('Nothing was played.');
  const { inputs, messages } = onlyRun(await theatre.expectRight(roles, played), only);
  expect(inputs.map(({ status }) => status)).toEqual(acts.map(() => 'applied'));
  const told = messages.filter(({ role, step, phase }) => role === 'user' && phase === 0 && step > 0);
  expect(
    told.sort((one, two) => one.step - two.step || one.position - two.position).map(({ text }) => text),
  ).toEqual(acts.map(({ text }) => text));
});

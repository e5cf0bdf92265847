// A model call goes by what is configured for its model and by its preset, and a change counts without a restart.
import pino from 'pino';
import { expect, test } from 'vitest';
import type { ActivityDeps } from '../../../activities/deps.ts';
import type { Llm, LlmRequest } from '../../../activities/llm/llm.ts';
import { LlmError } from '../../../activities/llm/llm.ts';
import { askModel } from '../../../activities/step/ask.ts';
import { prepareRequest } from '../../../activities/step/request.ts';
import { defaultTenant } from '../../../activities/store/db/database.ts';
import { createModelConfigs, saveModelConfig } from '../../../activities/store/presets/model-configs.ts';
import type { PresetOfRun } from '../../../activities/store/runs/preset-of-run.ts';
import { finish } from '../../../activities/tools/finish.ts';
import { todo } from '../../../activities/tools/todo.ts';
import type { ModelConfig } from '../../../workflows/contracts/model-config.ts';
import { anAttempt, openTestStore } from '../../support/store.ts';

const store = await openTestStore();
const change = { tenantId: defaultTenant, by: 'test' };

function depsWith(more: Partial<ActivityDeps> = {}): ActivityDeps {
  return {
    log: store.log,
    logger: pino({ level: 'silent' }),
    price: () => ({ costMicros: 0, priced: true }),
    llms: [],
    llmsWith: () => undefined,
    tools: [todo, finish],
    modelConfigOf: createModelConfigs(store.database.db),
    place: () => null,
    windowOf: () => 128_000,
    projectText: async () => undefined,
    redactor: { stream: () => ({ push: (chunk: string) => chunk, end: () => '' }) },
    ...more,
  } as unknown as ActivityDeps;
}

async function aCall(preset: Partial<PresetOfRun> | null, instructions: string | null) {
  const settled = preset && { id: 'teller', version: 1, variables: {}, ...preset };
  const { run } = await store.accept({ model: 'compatible/own', preset: settled, instructions });
  await store.begin(run);
  const task = anAttempt(run, 'model/1');
  const opened = await store.open(task);
  if (opened.kind !== 'opened') throw new Error(opened.kind);
  const attempt = { task, ref: opened.ref, signal: new AbortController().signal, supersede: () => {} };
  return { run: opened.run, step: 1, attempt };
}

async function requestOf(deps: ActivityDeps, call: Awaited<ReturnType<typeof aCall>>): Promise<LlmRequest> {
  const prepared = await prepareRequest(deps, call, { earlier: 0, lost: 0, history: [] });
  if (!('asking' in prepared)) throw new Error('It may not be asked.');
  return prepared.asking.request;
}

const prompt = { window: 128_000, tokens: 0, parts: [] };

function save(version: number, config: ModelConfig) {
  const which = { model: 'compatible/own', version, config };
  return store.log.write('test', (write) => saveModelConfig(write, change, which));
}

const shown = ({ temperature, key, messages, tools }: LlmRequest) => ({
  temperature,
  key,
  tools: tools.map(({ name }) => name),
  told: messages[0]?.role === 'system' && messages[0].text.split('<perdure:instructions>\n')[1],
});

test('the preset comes before the model’s configuration, whose text comes first', async () => {
  expect(shown(await requestOf(depsWith(), await aCall(null, null)))).toEqual({
    ...{ temperature: undefined, key: undefined, tools: ['finish', 'todo'], told: undefined },
  });
  await save(0, { temperature: 0.1, key: 'team-a', instructions: 'Be brief.' });
  const deps = depsWith();
  expect(shown(await requestOf(deps, await aCall(null, null)))).toEqual({
    ...{ temperature: 0.1, key: 'team-a', tools: ['finish', 'todo'] },
    told: 'Be brief.\n</perdure:instructions>',
  });
  const preset = { temperature: 0.9, tools: { off: ['todo'] } };
  expect(shown(await requestOf(deps, await aCall(preset, 'You tell.')))).toEqual({
    ...{ temperature: 0.9, key: 'team-a', tools: ['finish'] },
    told: 'Be brief.\n\nYou tell.\n</perdure:instructions>',
  });
});

test('a change counts without a restart, within seconds', async () => {
  const { version } = await save(1, { temperature: 0.2 });
  const deps = depsWith();
  const temperature = async (): Promise<unknown> =>
    (await requestOf(deps, await aCall(null, null))).temperature;
  expect(await temperature()).toBe(0.2);
  await save(version, { temperature: 0.3 });
  const until = performance.now() + 15_000;
  for (let isLast = false; (await temperature()) !== 0.3 && !isLast; ) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    // On a slow machine too it is read once more when the time is up.
    isLast = performance.now() >= until;
  }
  expect(await temperature()).toBe(0.3);
});

test('a model is called with the key that is named, and not at all where this worker has none of the name', async () => {
  const called: string[] = [];
  const answering = (name: string): Llm[] => [
    {
      ...{ provider: 'compatible', scripted: false, missing: undefined, models: [] },
      async *stream() {
        called.push(name);
        yield { type: 'text', text: 'Done.' };
        yield { type: 'finish', reason: 'stop', usage: undefined };
      },
    },
  ];
  const deps = depsWith({
    llms: answering('its own'),
    llmsWith: (key) => (key === 'team-a' ? answering(key) : undefined),
  });
  for (const key of [undefined, 'team-a']) {
    const call = await aCall(null, null);
    const asked = await askModel(deps, call, { request: { ...(await requestOf(deps, call)), key }, prompt });
    expect(asked.kind).toBe('answered');
  }
  expect(called).toEqual(['its own', 'team-a']);
  const call = await aCall(null, null);
  const failed = await askModel(deps, call, {
    ...{ request: { ...(await requestOf(deps, call)), key: 'team-b' }, prompt },
  });
  expect(failed).toMatchObject({
    kind: 'failed',
    cause: new LlmError('auth', 'This worker has no key named team-b: set it in PERDURE_MODEL_KEYS.'),
  });
});

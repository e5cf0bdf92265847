// How freely a model chooses its words goes over the wire of each provider, and not where nothing is said of it.
import { expect, onTestFinished, test } from 'vitest';
import { createLlms, findLlm } from '../../../activities/llm/index.ts';
import { createRawServer, streams } from './raw-server.ts';
import { wires } from './wires.ts';

test.each(wires)('the temperature is sent to $provider', async ({ provider, path, answer }) => {
  const { begin, texts, end } = answer(['Hi.'], { input: 9, cached: 0, output: 2 });
  const server = await createRawServer(streams([...begin, ...texts, ...end]));
  onTestFinished(() => server.close());
  const settings = { [`${provider}ApiKey`]: 'k', [`${provider}BaseUrl`]: `${server.url}${path}` };
  // A model that takes one, of each: those that think do not.
  const model = {
    openai: 'gpt-4o',
    anthropic: 'claude-haiku-4-5',
    google: 'gemini-2.0-flash',
    compatible: 'm',
  }[provider];
  const found = findLlm(createLlms(settings), `${provider}/${model}`);
  for (const temperature of [0.3, undefined]) {
    const request = { model, messages: [{ role: 'user' as const, text: 'Hi' }], tools: [], temperature };
    const how = { maxOutputTokens: 100, runId: 'r', step: 1 };
    for await (const part of found?.llm.stream({ ...request, ...how }, new AbortController().signal) ?? [])
      void part;
  }
  const sent = server.bodies.map((body) => /"temperature":([\d.]+)/.exec(JSON.stringify(body))?.[1]);
  expect(sent).toEqual(['0.3', undefined]);
});

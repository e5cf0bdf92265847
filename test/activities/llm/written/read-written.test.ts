import { expect, onTestFinished, test } from 'vitest';
import { createLlms, findLlm, type LlmSettings } from '../../../../activities/llm/index.ts';
import type { LlmPart } from '../../../../activities/llm/llm.ts';
import { createRawServer, streams } from '../raw-server.ts';
import { wires } from '../wires.ts';

const text = 'Hm.\n</think>\n\nI look.\n<tool_call>{"name":"read","arguments":{"path":"a"}}</tool_call>';

async function partsOf(settings: LlmSettings): Promise<LlmPart[]> {
  const wire = wires.find(({ provider }) => provider === 'compatible');
  const answer = wire?.answer(text.match(/[\s\S]{1,7}/g) ?? [], { input: 5, cached: 0, output: 5 });
  const server = await createRawServer(
    streams([...(answer?.begin ?? []), ...(answer?.texts ?? []), ...(answer?.end ?? [])]),
  );
  onTestFinished(() => server.close());
  const llm = findLlm(createLlms({ compatibleBaseUrl: server.url, ...settings }), 'compatible/m')?.llm;
  const tools = [{ name: 'read', description: 'Reads.', inputSchema: { type: 'object', properties: {} } }];
  const request = { model: 'm', messages: [], tools, maxOutputTokens: 10, runId: 'run', step: 1 };
  const parts: LlmPart[] = [];
  for await (const part of llm?.stream(request, new AbortController().signal) ?? []) {
    const last = parts.at(-1);
    if (part.type === 'text' && last?.type === 'text') last.text += part.text;
    else parts.push(part.type === 'finish' ? { ...part, usage: undefined } : part);
  }
  return parts;
}

test('thoughts and calls that a compatible server leaves in the text are read', async () => {
  expect(await partsOf({})).toEqual([
    { type: 'text', text: 'Hm.\n' },
    { type: 'was-thinking' },
    { type: 'text', text: 'I look.\n' },
    { type: 'call', call: { id: 'written_1', name: 'read', input: '{"path":"a"}' } },
    { type: 'finish', reason: 'calls', usage: undefined },
  ]);
});

test('a setting leaves them text', async () => {
  expect(await partsOf({ compatibleReadsText: 'off' })).toEqual([
    { type: 'text', text },
    { type: 'finish', reason: 'stop', usage: undefined },
  ]);
});

// The table of faults, for each wire format, against a server that plays them.
import { beforeAll, expect, test } from 'vitest';
import { createLlms, findLlm } from '../../../activities/llm/index.ts';
import { type Llm, LlmError } from '../../../activities/llm/llm.ts';
import type { Stalls } from '../../../activities/llm/stalls.ts';
import { streamOf } from './conformance.ts';
import { plays, type Played } from './fault-server.ts';
import { faults, life, silenceMs, usage } from './faults.ts';
import { createRawServer } from './raw-server.ts';
import { type Wire, wires } from './wires.ts';

const short = { firstMs: silenceMs, betweenMs: silenceMs, callMs: silenceMs, totalMs: 2_000 };
// Where silence is not the point, a slow machine must not look like one.
const long = { firstMs: 10_000, betweenMs: 10_000, callMs: 10_000, totalMs: 10_000 };

function llmOf(wire: Wire, url: string, stalls: Stalls): Llm {
  const name = wire.provider;
  const llms = createLlms({ [`${name}ApiKey`]: 'k', [`${name}BaseUrl`]: url + wire.path, stalls });
  const found = findLlm(llms, `${name}/m`);
  if (found === undefined) throw new Error(`${name} is not in the list`);
  return found.llm;
}

interface Heard {
  text: string;
  calls: unknown[];
  end: unknown;
}

/** What was heard, and how it ended: the last part, or the error. */
async function hear(wire: Wire, played: Played, stalls: Stalls): Promise<Heard> {
  const server = await createRawServer(plays(played));
  const heard: Heard = { text: '', calls: [], end: undefined };
  try {
    for await (const part of streamOf({ llm: llmOf(wire, server.url, stalls), model: 'm' })) {
      if (part.type === 'text') heard.text += part.text;
      if (part.type === 'call') heard.calls.push({ name: part.call.name, input: part.call.input });
      if (part.type === 'finish') heard.end = part;
    }
  } catch (error) {
    if (!(error instanceof LlmError)) throw error;
    heard.end = { kind: error.kind, message: error.message };
  } finally {
    await server.close();
  }
  return heard;
}

const used = { inputTokens: usage.input, cachedInputTokens: usage.cached, outputTokens: usage.output };

const table = wires.flatMap((wire) =>
  faults
    .filter(({ without }) => without?.includes(wire.provider) !== true)
    .map((fault) => ({ wire, fault, provider: wire.provider, name: fault.name })),
);
const all = new Map<(typeof table)[number], Heard>();

beforeAll(async () => {
  const playRow = async (row: (typeof table)[number]): Promise<unknown> =>
    all.set(row, await hear(row.wire, row.fault.plays(row.wire), life.includes(row.fault) ? short : long));
  const quick = table.filter(({ fault }) => !life.includes(fault));
  // Few at a time, so that none of them is slow because of the others.
  while (quick.length > 0) await Promise.all(quick.splice(0, 8).map(playRow));
  // Side by side: most of their time is silence.
  await Promise.all(table.filter(({ fault }) => life.includes(fault)).map(playRow));
}, 60_000);

test.each(table)('$provider: $name', (row) => {
  const heard = all.get(row);
  const { becomes } = row.fault;
  if (typeof becomes === 'object') {
    expect(heard?.end).toEqual({ kind: becomes.kind, message: expect.stringMatching(becomes.says) });
    return;
  }
  expect(heard).toEqual({
    text: 'Hello there',
    calls: [],
    end: { type: 'finish', reason: 'stop', usage: becomes === 'whole' ? used : undefined },
  });
});

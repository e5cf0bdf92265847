// The table of faults, for each wire format, against a server that plays them.
import { beforeAll, describe, expect, test } from 'vitest';
import { createLlms, findLlm } from '../../../activities/llm/index.ts';
import { type Llm, LlmError } from '../../../activities/llm/llm.ts';
import { streamOf } from './conformance.ts';
import { plays, type Played } from './fault-server.ts';
import { type Fault, faults, life, silenceMs, usage } from './faults.ts';
import { createRawServer } from './raw-server.ts';
import { type Wire, wires } from './wires.ts';

const stalls = { firstMs: silenceMs, betweenMs: silenceMs, callMs: 5 * silenceMs, totalMs: 2_000 };

function llmOf(wire: Wire, url: string): Llm {
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
async function hear(wire: Wire, played: Played): Promise<Heard> {
  const server = await createRawServer(plays(played));
  const heard: Heard = { text: '', calls: [], end: undefined };
  try {
    for await (const part of streamOf({ llm: llmOf(wire, server.url), model: 'm' })) {
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

describe.each(wires)('$provider', (wire) => {
  const shown = faults.filter(({ without }) => without?.includes(wire.provider) !== true);
  const all = new Map<string, Heard>();
  beforeAll(async () => {
    const playFault = async ({ name, plays: played }: Fault): Promise<unknown> =>
      all.set(name, await hear(wire, played(wire)));
    const quick = shown.filter((each) => !life.includes(each));
    // Few at a time, so that none of them is slow because of the others.
    while (quick.length > 0) await Promise.all(quick.splice(0, 8).map(playFault));
    // Side by side: most of their time is silence.
    await Promise.all(life.map(playFault));
  });

  test.each(shown)('$name', ({ name, becomes }) => {
    const heard = all.get(name);
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
});

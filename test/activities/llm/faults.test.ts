// The table of faults, for each wire format, against a server that plays them; the README has it by families.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { createLlms, findLlm } from '../../../activities/llm/index.ts';
import { type Llm, LlmError, type LlmErrorKind } from '../../../activities/llm/llm.ts';
import type { Stalls } from '../../../activities/llm/stalls.ts';
import { isOutage, outcomeOfProvider } from '../../../activities/step/patience.ts';
import { testPort } from '../../support/ports.ts';
import { streamOf } from './conformance.ts';
import { plays, type Played } from './fault-server.ts';
import { silenceMs, usage } from './fault.ts';
import { faults, life } from './faults.ts';
import { createRawServer } from './raw-server.ts';
import { inRunningTime } from './running-time.ts';
import { type Wire, wires } from './wires.ts';

const short = { firstMs: silenceMs, betweenMs: silenceMs, callMs: silenceMs, totalMs: 4_000 };
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
  error?: LlmError;
}

/** What was heard, and how it ended: the last part, or the error. */
async function hear(wire: Wire, played: Played | undefined, stalls: Stalls): Promise<Heard> {
  const server = played && (await createRawServer(plays(played)));
  const url = server?.url ?? `http://127.0.0.1:${await testPort()}`;
  const heard: Heard = { text: '', calls: [], end: undefined };
  try {
    for await (const part of streamOf({ llm: llmOf(wire, url, stalls), model: 'm' })) {
      if (part.type === 'text') heard.text += part.text;
      if (part.type === 'call') heard.calls.push({ name: part.call.name, input: part.call.input });
      if (part.type === 'finish') heard.end = part;
    }
  } catch (error) {
    if (!(error instanceof LlmError)) throw error;
    heard.error = error;
    heard.end = { kind: error.kind, message: error.message };
  } finally {
    await server?.close();
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

async function playAll(): Promise<void> {
  const playRow = async (row: (typeof table)[number]): Promise<unknown> =>
    all.set(row, await hear(row.wire, row.fault.plays(row.wire), life.includes(row.fault) ? short : long));
  const quick = table.filter(({ fault }) => !life.includes(fault));
  // Few at a time, so that none of them is slow because of the others.
  while (quick.length > 0) await Promise.all(quick.splice(0, 8).map(playRow));
  // Side by side: most of their time is silence.
  await Promise.all(table.filter(({ fault }) => life.includes(fault)).map(playRow));
}

beforeAll(() => inRunningTime(playAll));

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

const names: Record<Wire['provider'], string> = {
  compatible: 'chat',
  openai: 'responses',
  anthropic: 'messages',
  google: 'Gemini',
};
const reasons: Partial<Record<LlmErrorKind, string>> = {
  bad_request: 'the request',
  auth: 'the key or account',
  context_too_long: 'too long',
};

/** What the product does after it has heard that. */
function cellOf({ error, end }: Heard): string {
  if (error === undefined)
    return (end as { usage?: unknown }).usage === undefined ? 'continues, estimated' : 'continues';
  if (!error.retryable) return `fails: ${reasons[error.kind]}`;
  const outcome = outcomeOfProvider(error);
  if (outcome === 'unreached') return 'waits, at first a minute';
  if (isOutage(outcome)) return 'waits';
  return error.kind === 'unreadable' ? 'fails: twice alike' : 'fails: three times';
}

test('the README has the table by families and wire formats', async () => {
  const readme = path.resolve(import.meta.dirname, '..', '..', 'README.md');
  const cell = (family: string, { provider }: Wire): string => {
    const rows = table.filter((row) => row.fault.family === family && row.provider === provider);
    const cells = new Set(rows.map((row) => cellOf(all.get(row) as Heard)));
    return cells.size === 0 ? 'cannot be' : [...cells].join('; ');
  };
  const families = [...new Set(faults.map(({ family }) => family))];
  const lines = [
    'What becomes of a model call. *continues*: the answer is whole, *estimated*: what it used is not known. *waits*: asked',
    'again until the outage is over, for half an hour, or a minute where the run has not heard of its server yet. *fails*:',
    'at once, or after as many tries, with the words of the server.',
    '',
    `| fault | ${wires.map(({ provider }) => names[provider]).join(' | ')} |`,
    `|---|${wires.map(() => '---|').join('')}`,
    ...families.map((family) => `| ${family} | ${wires.map((wire) => cell(family, wire)).join(' | ')} |`),
  ];
  const text = await readFile(readme, 'utf8');
  const marked = /(?<=<!-- table: faults -->\n)[^]*?(?=\n<!-- end -->)/;
  expect(text).toMatch(marked);
  await expect(text.replace(marked, () => lines.join('\n'))).toMatchFileSnapshot(readme);
});

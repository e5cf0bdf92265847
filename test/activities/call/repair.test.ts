import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { parseFor, type Shape } from '../../../activities/call/arguments.ts';

const schema = z.strictObject({
  path: z.string(),
  lines: z.int().optional(),
  ratio: z.number().optional(),
  all: z.boolean().optional(),
  mode: z.enum(['fast', 'slow']).optional(),
  names: z.array(z.string()).optional(),
  items: z.array(z.strictObject({ text: z.string(), done: z.boolean().optional() })).optional(),
  place: z.strictObject({ line: z.int(), why: z.string().optional() }).optional(),
});
type Input = z.infer<typeof schema>;

const shape: Shape = {
  name: 'note',
  issuesOf: (value) => schema.safeParse(value).error?.issues ?? [],
  taken: (value) => schema.parse(value),
};
const repaired = (text: string) => parseFor(shape, text, 'repaired');

const inputs: fc.Arbitrary<Input> = fc.record(
  {
    path: fc.string({ unit: fc.constantFrom(...'ab"\\ \n\t,{}[]`:0é'.split('')), maxLength: 12 }),
    lines: fc.maxSafeInteger(),
    ratio: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value || 0),
    all: fc.boolean(),
    mode: fc.constantFrom('fast' as const, 'slow' as const),
    names: fc.array(fc.stringMatching(/^[a-z.]{1,5}$/), { maxLength: 3 }),
    items: fc.array(
      fc.record({ text: fc.string({ maxLength: 4 }), done: fc.boolean() }, { requiredKeys: ['text'] }),
      { maxLength: 3 },
    ),
    place: fc.record({ line: fc.nat(), why: fc.string({ maxLength: 4 }) }, { requiredKeys: ['line'] }),
  },
  { requiredKeys: ['path'] },
);

const each = (input: Input, change: (value: unknown, key: string) => unknown): string =>
  JSON.stringify(Object.fromEntries(Object.entries(input).map(([key, value]) => [key, change(value, key)])));
const rawly = (text: string): string =>
  text.replace(/(\\\\)|\\([nt])/g, (_, kept: string, sign: string) => kept ?? (sign === 'n' ? '\n' : '\t'));

/** What models do to arguments that were right. */
const breaks: Record<string, (input: Input) => string> = {
  'a code fence': (input) => `\`\`\`json\n${JSON.stringify(input)}\n\`\`\``,
  'raw line breaks in strings': (input) => rawly(JSON.stringify(input)),
  'trailing commas': (input) => JSON.stringify(input, null, 1).replace(/([^\s[{,])(\n\s*[\]}])/g, '$1,$2'),
  'all of it encoded twice': (input) => JSON.stringify(JSON.stringify(input)),
  'parts encoded twice': (input) =>
    each(input, (value) => (typeof value === 'object' ? JSON.stringify(value) : value)),
  'numbers and booleans in quotes': (input) =>
    each(input, (value) => (['number', 'boolean'].includes(typeof value) ? String(value) : value)),
  'null for what is left out': (input) =>
    JSON.stringify({ ...Object.fromEntries(Object.keys(schema.shape).map((key) => [key, null])), ...input }),
  'keys there are not': (input) =>
    JSON.stringify({
      reasoning: { a: 1 },
      ...input,
      ...(input.place && { place: { ...input.place, column: 2 } }),
    }),
  'a list of one for each value': (input) => each(input, (value) => (Array.isArray(value) ? value : [value])),
  'the value for each list of one': (input) =>
    each(input, (value) => (Array.isArray(value) && value.length === 1 ? value[0] : value)),
  'several at once': (input) =>
    `\`\`\`\n${JSON.stringify(JSON.stringify({ ...input, all: String(input.all ?? true), extra: null }))}\n\`\`\``,
};

test.each(Object.entries(breaks))('arguments with %s come back as they were meant', (name, breakIt) => {
  fc.assert(
    fc.property(inputs, (input) => {
      const meant = name === 'several at once' ? { ...input, all: input.all ?? true } : input;
      const read = repaired(breakIt(meant));
      expect(read).toEqual({ ok: true, input: meant, repairs: expect.any(Array) });
    }),
  );
});

test('what fits is left as it is, and what was repaired needs no more', () => {
  fc.assert(
    fc.property(inputs, fc.constantFrom(...Object.values(breaks)), (input, breakIt) => {
      const text = JSON.stringify(input);
      expect(repaired(text)).toEqual({ ok: true, input, repairs: [] });
      const once = repaired(breakIt(input));
      if (!once.ok) throw new Error(once.problem);
      expect(repaired(JSON.stringify(once.input))).toEqual({ ...once, repairs: [] });
    }),
  );
});

test('arguments that were cut are refused, wherever and in whatever form', () => {
  fc.assert(
    fc.property(
      inputs,
      fc.constantFrom(...Object.values(breaks)),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (input, breakIt, share) => {
        const whole = breakIt(input);
        const cut = whole.slice(0, Math.floor(share * whole.length));
        fc.pre(cut.length < whole.length);
        expect(repaired(cut)).toMatchObject({ ok: false });
      },
    ),
  );
});

test('each repair is named, without the value', () => {
  const text =
    '```json\n{"path": ["a\nb"], "lines": "3", "all": "True", "mode": null, "names": "x", "items": "[{\\"text\\":\\"t\\",\\"q\\":1}]", "why": "secret",}\n```';
  expect(repaired(text)).toEqual({
    ok: true,
    input: { path: 'a\nb', lines: 3, all: true, names: ['x'], items: [{ text: 't' }] },
    repairs: [
      'a code fence was left out',
      'line breaks or other control characters in strings were escaped',
      'trailing commas were left out',
      'path: a list of one, read as its value',
      'lines: a number in quotes, read as one',
      'all: true or false in quotes, read as such',
      'mode: null, left out',
      'names: one value, read as a list of it',
      'items: JSON within a string, read',
      'why: not an argument of this tool, left out',
      'items.0.q: not an argument of this tool, left out',
    ],
  });
});

test.each([
  ['a number for a text', '{"path": 7}'],
  ['null for what is required', '{"path": null}'],
  ['a list of two for a value', '{"path": ["a", "b"]}'],
  ['digits that would be lost', '{"path": "a", "lines": "9007199254740993"}'],
  ['a number with words', '{"path": "a", "lines": "3 lines"}'],
  ['a fraction for a whole number', '{"path": "a", "lines": "3.5"}'],
  ['a text that may be several', '{"path": "a", "names": "x, y"}'],
  ['a list that was cut within its string', '{"path": "a", "names": "[\\"x\\", \\"y"}'],
  ['an empty text for a list', '{"path": "a", "names": ""}'],
  ['two objects', '{"path": "a"} {"path": "b"}'],
  ['words around it', 'Here it is: {"path": "a"}'],
  ['a fence that is not closed', '```json\n{"path": "a"}'],
  ['commas for nothing', '{"path": "a", "names": [,]}'],
  ['two commas', '{"path": "a",,}'],
  ['a misspelt name of what is required', '{"file": "a"}'],
])('%s is refused, not guessed at', (_what, text) => {
  expect(repaired(text)).toMatchObject({ ok: false });
});

test('people are told what does not fit, and nothing is repaired for them', () => {
  expect(parseFor(shape, '{"path":"a","lines":"3"}', 'exact')).toEqual({
    ok: false,
    problem: 'The arguments do not fit note: lines: Invalid input: expected number, received string.',
  });
});

test('no argument becomes the prototype of what holds it', () => {
  const place = '{"line": "1", "__proto__": {"why": "x"}}';
  const read = repaired(`{"path": "a", "lines": "3", "__proto__": {"all": true}, "place": ${place}}`);
  expect(read.ok && [read.input, (read.input as Input).all, (read.input as Input).place?.why]).toEqual([
    { path: 'a', lines: 3, place: { line: 1 } },
    undefined,
    undefined,
  ]);
});

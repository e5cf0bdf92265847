// Requests that are wrong in one part.
import fc from 'fast-check';
import { headerText, type Operation, pathSegment, type Sent } from './operations.ts';

const awkward = fc.oneof(
  fc.constantFrom(
    '0',
    '-1',
    '9223372036854775808',
    '1e3',
    'NaN',
    'null',
    'true',
    '',
    ' ',
    'x'.repeat(1_001),
    '../..',
    '..%2f..',
    '%2e%2e',
    '%00',
    '%ff',
    '%',
    "' or 1=1 --",
    '$(id)',
    '0193d5a0-7c1e-4b52-9f0e-2f6f0d3a9b11',
    '0193D5A0-7C1E-7B52-9F0E-2F6F0D3A9B11',
    '０１９３',
    '1.0',
    '1.-1',
    '99999999999.0',
    '\u202e',
    'а',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
const poison = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1.5,
    1e308,
    2 ** 53,
    [],
    {},
    [[]],
    '',
    ' ',
    '\u0000',
    'a\u0000b',
    '\ud800',
    'x'.repeat(10_000),
    { toString: 1 },
    { constructor: 1 },
    { length: -1 },
  ),
  fc.jsonValue({ maxDepth: 4 }),
);

/** One part of the request is awkward, the others are as they should be. */
export function awkwardRequestsOf(operation: Operation, known: Record<string, string[]>): fc.Arbitrary<Sent> {
  const parameters = operation.parameters ?? [];
  const inPath = parameters.filter((one) => one.in === 'path').map((one) => one.name);
  const inQuery = parameters.filter((one) => one.in === 'query').map((one) => one.name);
  const example = operation.requestBody?.content['application/json']?.example;
  const ids = fc.record(
    Object.fromEntries(
      inPath.map((name) => [
        name,
        fc.oneof(
          { weight: 2, arbitrary: fc.constantFrom(...(known[name] ?? ['x'])) },
          { weight: 1, arbitrary: awkward },
        ),
      ]),
    ),
  );
  const queries = fc.record(Object.fromEntries([...inQuery, 'other'].map((name) => [name, awkward])), {
    requiredKeys: [],
  });
  const bodies = example === undefined ? fc.constant(undefined) : bodiesOf(example);
  // Mostly none: a wrong one is refused before anything else is looked at.
  const headers = fc.oneof(
    { weight: 6, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: fc.record({ 'idempotency-key': fc.string({ maxLength: 300 }) }) },
    { weight: 1, arbitrary: fc.record({ 'x-request-id': awkward }) },
    { weight: 2, arbitrary: fc.record({ 'last-event-id': fc.oneof(awkward, fc.nat(20).map(String)) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        'content-type': fc.constantFrom('text/plain', 'x', 'application/json;charset=utf-16'),
      }),
    },
    { weight: 1, arbitrary: fc.record({ 'content-encoding': fc.constantFrom('gzip', 'identity', 'br') }) },
  );
  return fc.tuple(ids, queries, bodies, headers).map(([id, query, body, extra]) => {
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => pathSegment(id[name] ?? ''));
    const search = new URLSearchParams(query as Record<string, string>).toString();
    const given = { ...(body !== undefined && { 'content-type': 'application/json' }), ...extra };
    return {
      path: search === '' ? path : `${path}?${search}`,
      headers: Object.fromEntries(
        Object.entries(given).map(([name, value]) => [name, headerText(String(value))]),
      ),
      body,
    };
  });
}

function bodiesOf(example: object): fc.Arbitrary<string> {
  const fields = Object.keys(example);
  const changed = fc
    .tuple(
      fc.constantFrom(...fields, 'other', '__proto__', 'metadata', 'limits', 'messageId', 'project'),
      poison,
    )
    .map(([field, value]) => JSON.stringify({ ...example, [field]: value }));
  return fc.oneof(
    changed,
    poison.map((value) => JSON.stringify(value)),
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.integer({ min: 1, max: 10_000 }).map((depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`),
    changed.map((text) => text.slice(0, -1)),
  );
}

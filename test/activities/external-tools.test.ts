import { expect, test } from 'vitest';
import { externalInputProblem, externalToolsProblem } from '../../activities/external-tools.ts';

const nested = { type: 'object', properties: { next: { $ref: '#' }, pattern: { type: 'string' } } };
test.each([
  [{ type: 'object', properties: { name: { type: 'string', pattern: '^[a-z]+$' } } }, undefined],
  [nested, undefined],
  [{ type: 'array' }, 'externalTools: the inputSchema of "lookup" must have "type": "object".'],
  [
    { type: 'object', $ref: '#' },
    'externalTools: the inputSchema of "lookup" cannot be used: Maximum call stack size exceeded.',
  ],
  [
    { type: 'object', allOf: [{ $ref: '#' }] },
    'externalTools: the inputSchema of "lookup" cannot be used: Maximum call stack size exceeded.',
  ],
])('the schema %j of a caller is taken or refused before anything depends on it', (inputSchema, problem) => {
  const tool = { name: 'lookup', description: 'Looks something up.', inputSchema };
  expect(externalToolsProblem([tool], [])).toBe(problem);
});

test('a name that is taken is refused', () => {
  const tool = { name: 'read', description: 'Reads.', inputSchema: { type: 'object' } };
  expect(externalToolsProblem([tool], [{ name: 'read' }])).toBe(
    'externalTools: there is a tool "read" already; use another name.',
  );
});

const endless = `${'a'.repeat(40)}!`;
const doubling = Object.fromEntries(
  Array.from({ length: 40 }, (_, index) => [
    `at${index}`,
    index === 39
      ? { type: 'string' }
      : { allOf: [{ $ref: `#/$defs/at${index + 1}` }, { $ref: `#/$defs/at${index + 1}` }] },
  ]),
);
test.each([
  [
    'an expression',
    { type: 'object', properties: { name: { type: 'string', pattern: '^(a+)+$' } } },
    { name: endless },
    { name: 'aaa' },
  ],
  [
    'references that double',
    { type: 'object', properties: { name: { $ref: '#/$defs/at0' } }, $defs: doubling },
    { name: 'x' },
    undefined,
  ],
])('%s of a caller holds up a worker for a moment at most', (_what, inputSchema, slow, quick) => {
  const tool = { name: 'lookup', description: 'Looks something up.', inputSchema };
  const started = performance.now();
  if (quick) expect(externalInputProblem(tool, quick)).toBeUndefined();
  const problems = Array.from({ length: 20 }, () => externalInputProblem(tool, slow));
  // Twenty times the quarter of a second that one look may take would be more.
  expect(performance.now() - started).toBeLessThan(4000);
  expect(new Set(problems)).toEqual(
    new Set([
      'It takes too long to hold the arguments against the inputSchema of lookup. Send shorter and simpler ones.',
    ]),
  );
});

import { expect, test } from 'vitest';
import { externalToolsProblem } from '../../activities/external-tools.ts';

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

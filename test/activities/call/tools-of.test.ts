import { expect, test } from 'vitest';
import { findTool, toolsOf, toSpec } from '../../../activities/call/tools-of.ts';
import { askPerson } from '../../../activities/tools/ask-person.ts';
import { finish } from '../../../activities/tools/finish.ts';
import { toToolSpec } from '../../../activities/tools/index.ts';

const lookup = {
  name: 'lookup',
  description: 'Looks something up.',
  inputSchema: { type: 'object' },
};

test('a run has the built-in tools and, after them, those its caller has brought', () => {
  const tools = toolsOf({ tools: [askPerson, finish] }, { external_tools: [lookup] });
  expect(tools.map(({ kind, tool }) => [kind, tool.name])).toEqual([
    ['built-in', 'ask-person'],
    ['built-in', 'finish'],
    ['external', 'lookup'],
  ]);
  expect(tools.map(toSpec)).toEqual([toToolSpec(askPerson), toToolSpec(finish), lookup]);
  expect([findTool(tools, 'lookup'), findTool(tools, 'fly')]).toEqual([
    { kind: 'external', tool: lookup },
    undefined,
  ]);
});

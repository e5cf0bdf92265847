import { expect, test } from 'vitest';
import { findTool, toolsOf, toSpec } from '../../../activities/call/tools-of.ts';
import { delegate } from '../../../activities/tools/delegate.ts';
import { askPerson } from '../../../activities/tools/ask-person.ts';
import { finish } from '../../../activities/tools/finish.ts';
import { toToolSpec } from '../../../activities/tools/index.ts';

const lookup = {
  name: 'lookup',
  description: 'Looks something up.',
  inputSchema: { type: 'object' },
};

test('a run has the built-in tools and, after them, those its caller has brought', () => {
  const tools = toolsOf({ tools: [askPerson, finish] }, { external_tools: [lookup], preset: null });
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

test('a preset leaves only some built-in tools on, or all but some; those of the caller stay', () => {
  const named = (chosen: object): string[] =>
    toolsOf(
      { tools: [askPerson, finish] },
      { external_tools: [lookup], preset: { id: 'a', version: 1, variables: {}, tools: chosen } as never },
    ).map(({ tool }) => tool.name);
  expect(named({ on: ['finish', 'gone-since'] })).toEqual(['finish', 'lookup']);
  expect(named({ on: [] })).toEqual(['lookup']);
  expect(named({ off: ['finish'] })).toEqual(['ask-person', 'lookup']);
});

test('a model is told of the subagents that its preset names where it asks for one, and nowhere else', () => {
  const subagents = [
    { name: 'finder', preset: 'researcher', description: 'Finds things.' },
    { name: 'writer', preset: 'documenter' },
  ];
  const preset = { id: 'lead', version: 1, variables: {}, subagents };
  const tools = toolsOf({ tools: [finish, delegate] }, { external_tools: [], preset });
  const [first, second] = tools.map(toSpec);
  expect(first).toEqual(toToolSpec(finish));
  expect(second?.description.slice(delegate.description.length)).toBe(
    ' Under these names there are subagents with instructions of their own:\n- finder: Finds things.\n- writer: goes by the preset documenter',
  );
});

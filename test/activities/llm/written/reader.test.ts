import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createWrittenReader, type WrittenPart } from '../../../../activities/llm/written/reader.ts';

const properties = { path: { type: 'string' }, count: { type: 'integer' }, all: { type: 'boolean' } };
const tools = ['read', 'get-it'].map((name) => ({
  name,
  description: '',
  inputSchema: { type: 'object', properties },
}));

/** What an answer in these pieces is read as; neighbours of one kind are one. */
function read(pieces: readonly string[], serverRead = false): WrittenPart[] {
  const reader = createWrittenReader(tools);
  const merged: WrittenPart[] = [];
  for (const part of [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end(serverRead)]) {
    const last = merged.at(-1);
    if (part.type === 'text' && last?.type === 'text') last.text += part.text;
    else if (part.type === 'thinking' && last?.type === 'thinking') last.text += part.text;
    else merged.push({ ...part });
  }
  return merged;
}

const text = (said: string): WrittenPart => ({ type: 'text', text: said });
const thinking = (said: string): WrittenPart => ({ type: 'thinking', text: said });
const call = (input: object, name = 'read'): WrittenPart => ({
  type: 'call',
  call: { name, input: JSON.stringify(input) },
});

const file = { path: 'a.ts' };
const typed = { path: '3', count: 3, all: true };
const ds = (...names: string[]) => names.map((name) => `<｜${name}｜>`);
const [callsBegin, callBegin, sep, callEnd, callsEnd] = ds(
  'tool▁calls▁begin',
  'tool▁call▁begin',
  'tool▁sep',
  'tool▁call▁end',
  'tool▁calls▁end',
);

const answers: [string, string, WrittenPart[]][] = [
  ['thoughts', '<think>Hm.\nYes.</think>\n\nDone.', [thinking('Hm.\nYes.'), text('Done.')]],
  ['thoughts after a blank line', '\n<thinking>Hm.</thinking>Done.', [thinking('Hm.'), text('Done.')]],
  ['thoughts of Magistral', '[THINK]Hm.[/THINK]Done.', [thinking('Hm.'), text('Done.')]],
  [
    'thoughts of gpt-oss',
    '<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Done.',
    [thinking('Hm.'), text('Done.')],
  ],
  ['thoughts that were cut', '<think>Hm. So', [thinking('Hm. So')]],
  [
    'thoughts that the prompt opened',
    'Hm.\n</think>\n\nDone.',
    [text('Hm.\n'), { type: 'was-thinking' }, text('Done.')],
  ],
  ['no thoughts', '</think>\n\nDone.', [text('Done.')]],
  [
    'thoughts in between',
    'First.\n<think>Hm.</think>\nDone.',
    [text('First.\n'), thinking('Hm.'), text('Done.')],
  ],
  [
    'Hermes, twice, after words',
    'I look.\n<tool_call>\n{"name": "read", "arguments": {"path": "a.ts"}}\n</tool_call>\n<tool_call>{"name":"get-it","arguments":{}}</tool_call>',
    [text('I look.\n'), call(file), call({}, 'get-it')],
  ],
  [
    'a call whose arguments hold its end',
    '<tool_call>{"name":"read","arguments":{"path":"</tool_call>"}}</tool_call>',
    [call({ path: '</tool_call>' })],
  ],
  [
    'Qwen3-Coder',
    '<tool_call>\n<function=read>\n<parameter=path>\n3\n</parameter>\n<parameter=count>\n3\n</parameter>\n<parameter=all>\ntrue\n</parameter>\n</function>\n</tool_call>',
    [call(typed)],
  ],
  [
    'Qwen3-Coder without its tags',
    '<function=read>\n<parameter=path>\na.ts\n</parameter>\n</function>\n',
    [call(file)],
  ],
  ['Llama with functions', '<function=read>{"path":"a.ts"}</function>', [call(file)]],
  ['Llama', '<|python_tag|>{"name":"read","parameters":{"path":"a.ts"}}<|eom_id|>', [call(file)]],
  [
    'Llama, twice',
    '<|python_tag|>{"name":"read","parameters":{"path":"a.ts"}}; {"name":"get-it","parameters":{}}',
    [call(file), call({}, 'get-it')],
  ],
  ['Mistral with a list', '[TOOL_CALLS][{"name":"read","arguments":{"path":"a.ts"}}]', [call(file)]],
  [
    'Mistral with names',
    '[TOOL_CALLS]read{"path":"a.ts"}[TOOL_CALLS]get-it[ARGS]{}',
    [call(file), call({}, 'get-it')],
  ],
  [
    'DeepSeek V3',
    `${callsBegin}${callBegin}function${sep}read\n\`\`\`json\n{"path":"a.ts"}\n\`\`\`${callEnd}${callsEnd}`,
    [call(file)],
  ],
  [
    'DeepSeek V3.1',
    `${callsBegin}${callBegin}read${sep}{"path":"a.ts"}${callEnd}${callBegin}get-it${sep}{}${callEnd}${callsEnd}`,
    [call(file), call({}, 'get-it')],
  ],
  [
    'Kimi',
    '<|tool_calls_section_begin|><|tool_call_begin|>functions.read:0<|tool_call_argument_begin|>{"path":"a.ts"}<|tool_call_end|><|tool_calls_section_end|>',
    [call(file)],
  ],
  [
    'GLM',
    '<think></think>\n<tool_call>read\n<arg_key>path</arg_key>\n<arg_value>3</arg_value>\n<arg_key>count</arg_key>\n<arg_value>3</arg_value>\n<arg_key>all</arg_key>\n<arg_value>true</arg_value>\n</tool_call>',
    [call(typed)],
  ],
  [
    'MiniMax',
    '<minimax:tool_call>\n<invoke name="read">\n<parameter name="path">a.ts</parameter>\n</invoke>\n</minimax:tool_call>',
    [call(file)],
  ],
  ['MiniMax M1', '<tool_calls>\n{"name":"read","arguments":{"path":"a.ts"}}\n</tool_calls>', [call(file)]],
  ['Granite', '<|tool_call|>[{"name":"read","arguments":{"path":"a.ts"}}]', [call(file)]],
  [
    'gpt-oss',
    '<|channel|>commentary to=functions.read <|constrain|>json<|message|>{"path":"a.ts"}<|call|>',
    [call(file)],
  ],
];

const hermes = '<tool_call>{"name":"read","arguments":{}}</tool_call>';
const quoted: [string, string][] = [
  ['inside a line', `Write ${hermes} to call.`],
  ['in a block of code', `Like this:\n\`\`\`xml\n${hermes}\n\`\`\`\nThat is all.`],
  ['in a block of code of four', `\`\`\`\`\n\`\`\`\n${hermes}\n\`\`\`\`\n`],
  ['of a tool that was not offered', '<tool_call>{"name":"write","arguments":{}}</tool_call>'],
  ['that is cut', '<tool_call>{"name":"read","argum'],
  ['whose arguments are not whole', '<tool_call>{"name":"read","arguments":{"path":}</tool_call>'],
  ['of an end of thoughts inside a line', 'The tag </think> ends them.'],
  ['of a start of thoughts without an end', 'Tags:\n<think>\nis one.'],
  ['by its opening alone, with a second one behind it', `Tags:\n<tool_call>\nis one.`],
];

for (const [what, answer, parts] of answers) {
  test(`reads ${what}`, () => expect(read([answer])).toEqual(parts));
}

for (const [what, answer] of quoted) {
  test(`leaves as text a mark ${what}`, () => expect(read([answer])).toEqual([text(answer)]));
}

test('a mark that was none does not hide a call behind it', () => {
  expect(read([`Tags:\n<think>\nand\n${hermes}`])).toEqual([text('Tags:\n<think>\nand\n'), call({})]);
});

test('beside calls that the server has read, those in the text stay text', () => {
  expect(read(['Now.\n', hermes], true)).toEqual([text(`Now.\n${hermes}`)]);
});

test('however an answer is cut into pieces, the same is read', () => {
  const bits = [
    ...answers.map(([, answer]) => answer),
    ...quoted.map(([, answer]) => answer),
    '\n',
    '```',
    ' ',
    'a\n',
  ];
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...bits), { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(40), { maxLength: 60 }),
      (chosen, sizes) => {
        const answer = chosen.join('\n');
        const pieces: string[] = [];
        let from = 0;
        for (const size of sizes) {
          pieces.push(answer.slice(from, from + size));
          from += size;
        }
        pieces.push(answer.slice(from));
        expect(read(pieces)).toEqual(read([answer]));
        expect(read([...answer])).toEqual(read([answer]));
      },
    ),
    { numRuns: 150 },
  );
});

// Twice as long takes twice as long: what grows faster is over the time of a test.
test('a long answer of marks that open nothing is read, and stays text', () => {
  const answer = '<tool_call>\n</tool_call>\n<think>\n'.repeat(5000);
  const pieces = answer.match(/[\s\S]{1,5}/g) ?? [];
  const said = read(pieces).flatMap((part) => (part.type === 'text' ? [part.text] : []));
  expect(said.join('')).toBe(answer);
});

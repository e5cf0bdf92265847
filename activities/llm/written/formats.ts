// The ways in which models write thoughts and calls as text, where the server in front of them does not read them: as the
// models' chat templates and vLLM's parsers of the same names have them.
import type { ToolSpec } from '../../tools/tool.ts';

export interface WrittenCall {
  name: string;
  /** The arguments as JSON. */
  input: string;
}

/** What opens thoughts, and what ends them. */
export const thoughts: readonly { open: string; close: string }[] = [
  // Qwen, DeepSeek, GLM, MiniMax, Kimi
  { open: '<think>', close: '</think>' },
  { open: '<thinking>', close: '</thinking>' },
  // Seed-OSS
  { open: '<seed:think>', close: '</seed:think>' },
  // Magistral
  { open: '[THINK]', close: '[/THINK]' },
  // gpt-oss
  { open: '<|channel|>analysis<|message|>', close: '<|end|>' },
  // Gemma 4
  { open: '<|channel>thought\n', close: '<channel|>' },
];

/** What stands before an answer and says nothing. */
export const silentMarks: readonly string[] = ['<|start|>assistant', '<|channel|>final<|message|>'];

export interface CallFormat {
  open: string;
  /** What ends it; none: it goes to the end of the answer. */
  close: string | undefined;
  /** Undefined when it is not whole, or something else. */
  read(body: string, tools: readonly ToolSpec[]): WrittenCall[] | undefined;
}

export const callFormats: readonly CallFormat[] = [
  // Hermes, Qwen and Granite 4 write JSON in it, Qwen3-Coder functions, GLM pairs.
  {
    open: '<tool_call>',
    close: '</tool_call>',
    read: (body, tools) => fromJson(body) ?? fromFunctions(body, tools) ?? fromPairs(body, tools),
  },
  // Llama 3.1 with JSON, Qwen3-Coder that forgot the tags around it
  {
    open: '<function=',
    close: '</function>',
    read: (body, tools) => fromFunctions(`<function=${body}</function>`, tools),
  },
  // Llama 3
  {
    open: '<|python_tag|>',
    close: undefined,
    read: (body) => fromJson(body.replace(/<\|(eom|eot)_id\|>\s*$/, '')),
  },
  // Mistral
  { open: '[TOOL_CALLS]', close: undefined, read: fromMistral },
  // DeepSeek V3, R1 and V3.1
  { open: '<｜tool▁calls▁begin｜>', close: '<｜tool▁calls▁end｜>', read: fromDeepSeek },
  // Kimi K2
  { open: '<|tool_calls_section_begin|>', close: '<|tool_calls_section_end|>', read: fromKimi },
  // MiniMax M2, M1
  { open: '<minimax:tool_call>', close: '</minimax:tool_call>', read: fromInvokes },
  { open: '<tool_calls>', close: '</tool_calls>', read: (body) => fromJson(body) },
  // Granite 3, Phi-4 mini
  {
    open: '<|tool_call|>',
    close: undefined,
    read: (body) => fromJson(body.replace(/<\|\/tool_call\|>\s*$/, '')),
  },
  // gpt-oss
  { open: '<|channel|>commentary to=functions.', close: undefined, read: fromHarmony },
];

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** One call, a list of them, or several one after the other. */
function fromJson(body: string): WrittenCall[] | undefined {
  const value = parsed(body);
  if (value !== undefined) return each([value].flat(), fromObject);
  const lines = body.split(/\n|;\s*(?=\{)/).filter((line) => line.trim() !== '');
  return each(lines, (line) => fromObject(parsed(line)));
}

/** All the calls, or undefined at the first item that is none. */
function each<Item>(
  items: readonly Item[],
  read: (item: Item) => WrittenCall | undefined,
): WrittenCall[] | undefined {
  const calls: WrittenCall[] = [];
  for (const item of items) {
    const call = read(item);
    if (call === undefined) return undefined;
    calls.push(call);
  }
  return calls.length > 0 ? calls : undefined;
}

function fromObject(value: unknown): WrittenCall | undefined {
  if (!isObject(value)) return undefined;
  const call = isObject(value['function']) ? value['function'] : value;
  const { name } = call;
  const input = call['arguments'] ?? call['parameters'] ?? {};
  if (typeof name !== 'string') return undefined;
  if (typeof input === 'string') return isObject(parsed(input)) ? { name, input } : undefined;
  return isObject(input) ? { name, input: JSON.stringify(input) } : undefined;
}

/** The items of a body that has nothing but blanks between them. */
function all(body: string, item: RegExp): RegExpExecArray[] | undefined {
  const found = [...body.matchAll(item)];
  return body.replace(item, '').trim() === '' ? found : undefined;
}

function toCalls(
  found: RegExpExecArray[] | undefined,
  read: (name: string, inside: string) => WrittenCall | undefined,
): WrittenCall[] | undefined {
  return found && each(found, ([, name = '', inside = '']) => read(name.trim(), inside));
}

function fromFunctions(body: string, tools: readonly ToolSpec[]): WrittenCall[] | undefined {
  const functions = /<function=([^>\n]+)>([\s\S]*?)<\/function>(?=\s*(?:<function=|$))/g;
  const parameter = /<parameter=([^>\n]+)>\n?([\s\S]*?)\n?<\/parameter>(?=\s*(?:<parameter=|$))/g;
  return toCalls(all(body, functions), (name, inside) => {
    if (isObject(parsed(inside))) return { name, input: inside.trim() };
    return fromParameters(name, all(inside, parameter), tools);
  });
}

function fromInvokes(body: string, tools: readonly ToolSpec[]): WrittenCall[] | undefined {
  const invokes = /<invoke name="?([^">\n]+)"?>([\s\S]*?)<\/invoke>(?=\s*(?:<invoke |$))/g;
  const parameter = /<parameter name="?([^">\n]+)"?>\n?([\s\S]*?)\n?<\/parameter>(?=\s*(?:<parameter |$))/g;
  return toCalls(all(body, invokes), (name, inside) => fromParameters(name, all(inside, parameter), tools));
}

function fromPairs(body: string, tools: readonly ToolSpec[]): WrittenCall[] | undefined {
  const pair = /<arg_key>([^<\n]+)<\/arg_key>\s*<arg_value>([\s\S]*?)<\/arg_value>(?=\s*(?:<arg_key>|$))/g;
  const start = body.indexOf('<arg_key>');
  const name = (start < 0 ? body : body.slice(0, start)).trim();
  const call = fromParameters(name, all(start < 0 ? '' : body.slice(start), pair), tools);
  return call && [call];
}

function fromParameters(
  name: string,
  found: RegExpExecArray[] | undefined,
  tools: readonly ToolSpec[],
): WrittenCall | undefined {
  if (found === undefined) return undefined;
  const schema = tools.find((tool) => tool.name === name)?.inputSchema as
    | { properties?: Record<string, { type?: unknown } | undefined> }
    | undefined;
  const pairs = found.map(([, key = '', value = '']) => {
    const wanted = schema?.properties?.[key.trim()]?.type;
    // Texts are written as they are; everything else as JSON.
    return [key.trim(), wanted === 'string' ? value : (parsed(value) ?? value)] as const;
  });
  return { name, input: JSON.stringify(Object.fromEntries(pairs)) };
}

/** A list of JSON, or names with their arguments behind them. */
function fromMistral(body: string): WrittenCall[] | undefined {
  const named = /^([\w.-]+?)(?:\[CALL_ID\][\w-]+)?(?:\[ARGS\])?\s*(\{[\s\S]*\})$/;
  const text = body.replace(/<\/s>\s*$/, '');
  const found = text.split('[TOOL_CALLS]').map((part) => named.exec(part.trim()));
  return fromJson(text) ?? (found.every((call) => call !== null) ? toCalls(found, withJson) : undefined);
}

function fromDeepSeek(body: string): WrittenCall[] | undefined {
  const call =
    /<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>([\w.-]+)\s*```json\s*([\s\S]*?)\s*```|([\w.-]+)<｜tool▁sep｜>([\s\S]*?))\s*<｜tool▁call▁end｜>/g;
  const found = all(body, call)?.map(
    ([whole, old, oldInput, name, input]) =>
      [whole, old ?? name, oldInput ?? input] as unknown as RegExpExecArray,
  );
  return toCalls(found, withJson);
}

function fromKimi(body: string): WrittenCall[] | undefined {
  const call =
    /<\|tool_call_begin\|>\s*(?:functions\.)?([\w.-]+?)(?::\d+)?\s*<\|tool_call_argument_begin\|>([\s\S]*?)<\|tool_call_end\|>/g;
  return toCalls(all(body, call), withJson);
}

function fromHarmony(body: string): WrittenCall[] | undefined {
  const call = /^([\w.-]+)\s*(?:<\|constrain\|>\s*\w+|json)?\s*<\|message\|>([\s\S]*?)(?:<\|call\|>)?\s*$/g;
  return toCalls(all(body, call), withJson);
}

function withJson(name: string, input: string): WrittenCall | undefined {
  return isObject(parsed(input)) ? { name, input: input.trim() } : undefined;
}

// What model servers do on the wire, and what becomes of it: a table of wire format × fault. Each row is a script that is
// made from a whole answer of the format.
import type { Played, Script } from './fault-server.ts';
import type { Wire } from './wires.ts';

export const usage = { input: 10, cached: 0, output: 2 };
/** A stall of the tests: scripts pause for less than it, and in sum for more. */
export const silenceMs = 1_000;

/** `whole`: "Hello there", ended well; `unpriced`: the same without its use; else how it fails, and in which words. */
export type Outcome = 'whole' | 'unpriced' | { kind: string; says: RegExp };

export interface Fault {
  /** The row of the table in the README: what of the product is the same for all of a family. */
  family: string;
  name: string;
  /** Wire formats that cannot show it. */
  without?: Wire['provider'][];
  /** Undefined: nothing listens there. */
  plays(wire: Wire): Played | undefined;
  becomes: Outcome;
}

function eventsOf(wire: Wire): { begin: string[]; end: string[]; all: string[] } {
  const { begin, texts, end } = wire.answer(['Hello', ' there'], usage);
  return { begin: [...begin, texts[0] ?? ''], end, all: [...begin, ...texts, ...end] };
}

const all = (wire: Wire): string[] => eventsOf(wire).all;
const begun = (wire: Wire): string[] => eventsOf(wire).begin;
const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;

/** So many of them, in sum longer than a stall may be. */
function lasting(sign: string): Script {
  return Array.from({ length: 8 }, () => [sign, silenceMs / 5]).flat();
}

/** Between any two events. */
function between(wire: Wire, ...signs: Script): Script {
  return all(wire).flatMap((event) => [...signs, event]);
}

const emptyChunks = [
  ...['data:\n\n', 'data: {}\n\n', 'data: null\n\n', 'data: ping\n\n', ': a comment\n\n', 'id: 7\n\n'],
  ...['event: ping\ndata: {"type":"ping"}\n\n', data({ choices: null }), data({ id: 'x', choices: [] })],
  ...[data({ type: 'something.new', value: 1 }), data([]), 'data: 7\n\n'],
];

/** Those that take their time. */
export const life: Fault[] = [
  {
    family: 'signs of life that say nothing, byte by byte, for longer than a silence may be',
    name: 'only comments before the answer',
    plays: (wire) => ({ script: [...lasting(': keep-alive\n\n'), ...all(wire)] }),
    becomes: 'whole',
  },
  {
    family: 'signs of life that say nothing, byte by byte, for longer than a silence may be',
    name: 'only pings in the middle of it',
    plays: (wire) => ({
      script: [
        ...begun(wire),
        ...lasting('event: ping\ndata: {"type":"ping"}\n\n'),
        ...all(wire).slice(begun(wire).length),
      ],
    }),
    becomes: 'whole',
  },
  {
    family: 'signs of life that say nothing, byte by byte, for longer than a silence may be',
    name: 'a single byte of a line at a time',
    plays: (wire) => ({ script: [...lasting(':'), '\n\n', ...all(wire)] }),
    becomes: 'whole',
  },
  {
    family: 'keep-alives without an end',
    name: 'keep-alives without an end',
    plays: () => ({ script: Array.from({ length: 60 }, () => [': on\n\n', 100]).flat(), socket: 'open' }),
    becomes: { kind: 'timeout', says: /The answer was not whole after 4 s/ },
  },
  {
    family: 'silence in its middle',
    name: 'silence in the middle of it',
    plays: (wire) => ({ script: begun(wire), socket: 'open' }),
    becomes: { kind: 'timeout', says: /The model sent nothing for 1 s/ },
  },
];

const framing: Fault[] = [
  {
    family: 'pieces, line ends, marks, types and empty chunks of other forms',
    name: 'every character in a piece of its own',
    plays: (wire) => ({ script: [...all(wire).join('')] }),
    becomes: 'whole',
  },
  {
    family: 'pieces, line ends, marks, types and empty chunks of other forms',
    name: 'lines that end with CR and LF',
    plays: (wire) => ({ script: [all(wire).join('').replaceAll('\n', '\r\n')] }),
    becomes: 'whole',
  },
  {
    family: 'pieces, line ends, marks, types and empty chunks of other forms',
    name: 'a byte order mark and no blank after "data:"',
    plays: (wire) => ({ script: [`\uFEFF${all(wire).join('').replaceAll('data: ', 'data:')}`] }),
    becomes: 'whole',
  },
  {
    family: 'pieces, line ends, marks, types and empty chunks of other forms',
    name: 'no empty line after the last event',
    plays: (wire) => ({ script: [all(wire).join('').trimEnd()] }),
    becomes: 'whole',
  },
  {
    family: 'pieces, line ends, marks, types and empty chunks of other forms',
    name: 'another content type',
    plays: (wire) => ({ type: 'text/plain', script: all(wire) }),
    becomes: 'whole',
  },
  {
    family: 'pieces, line ends, marks, types and empty chunks of other forms',
    name: 'chunks that carry nothing between any two',
    plays: (wire) => ({ script: between(wire, ...emptyChunks) }),
    becomes: 'whole',
  },
  {
    family: 'one JSON document in place of a stream',
    name: 'the whole answer as one JSON document',
    plays: (wire) => ({ type: 'application/json', script: [JSON.stringify(documents[wire.provider])] }),
    becomes: 'whole',
  },
  {
    family: 'one JSON document in place of a stream',
    name: 'that document on a socket that stays open',
    plays: (wire) => ({ script: [JSON.stringify(documents[wire.provider])], socket: 'open' }),
    becomes: 'whole',
  },
];

const ends: Fault[] = [
  {
    family: 'a socket that is reset or stays open, junk or an error behind the end',
    name: 'a reset after the end',
    plays: (wire) => ({ script: all(wire), socket: 'reset' }),
    becomes: 'whole',
  },
  {
    family: 'a socket that is reset or stays open, junk or an error behind the end',
    name: 'a socket kept open after the end',
    plays: (wire) => ({ script: all(wire), socket: 'open' }),
    becomes: 'whole',
  },
  {
    family: 'a socket that is reset or stays open, junk or an error behind the end',
    name: 'junk and an error after the end',
    plays: (wire) => ({
      script: [...all(wire), 'data: junk\n\n', data({ error: { message: 'Late', code: 500 } }), 'junk\n'],
    }),
    becomes: 'whole',
  },
  {
    family: 'finish and usage, but no closing mark',
    name: 'finish and usage, and a reset before the closing mark',
    // Its last event is finish, usage and mark in one.
    without: ['openai', 'google'],
    plays: (wire) => ({ script: all(wire).slice(0, -1), socket: 'reset' }),
    becomes: 'whole',
  },
  {
    family: 'a closing mark without finish and usage',
    name: '[DONE] without a finish',
    plays: (wire) => ({
      script: [...all(wire).slice(0, -eventsOf(wire).end.length), 'data: [DONE]\n\n'],
      socket: 'open',
    }),
    becomes: 'unpriced',
  },
  {
    family: 'a reset in its middle',
    name: 'a reset in the middle of an event',
    plays: (wire) => ({ script: [...begun(wire), 'data: {"id":'], socket: 'reset' }),
    becomes: { kind: 'network', says: /./ },
  },
  {
    family: 'the end of the socket before its end, or no body',
    name: 'the end of the socket in the middle of an event',
    plays: (wire) => ({ script: [...begun(wire), 'data: {"id":'] }),
    becomes: { kind: 'network', says: /the answer was cut before its end/ },
  },
  {
    family: 'the end of the socket before its end, or no body',
    name: 'the end of the socket before a finish',
    plays: (wire) => ({ script: begun(wire) }),
    becomes: { kind: 'network', says: /the answer was cut before its end/ },
  },
  {
    family: 'the end of the socket before its end, or no body',
    name: 'no body',
    plays: () => ({ script: [] }),
    becomes: { kind: 'network', says: /the answer was cut before its end/ },
  },
];

const words = { message: 'The GPU is on fire.' };

/** An error in an envelope, inside the stream and in place of it. */
function told(family: string, name: string, value: unknown, becomes: Outcome): Fault[] {
  return [
    {
      family,
      name: `${name}, inside the stream`,
      plays: (wire) => ({ script: [...begun(wire), data(value)] }),
      becomes,
    },
    {
      family,
      name: `${name}, as a document`,
      plays: () => ({ type: 'application/json', script: [JSON.stringify(value)] }),
      becomes,
    },
  ];
}

const fire = /The GPU is on fire/;
const errors: Fault[] = [
  {
    family: 'nothing listens there',
    name: 'a refused connection',
    plays: () => undefined,
    becomes: { kind: 'network', says: /no connection to http:\/\/127\.0\.0\.1:\d+: nothing listens/ },
  },
  ...told(
    '5xx, in any envelope',
    '{error} with a numeric code',
    { error: { ...words, code: 503 } },
    { kind: 'overloaded', says: fire },
  ),
  ...told(
    '429, in any envelope',
    '{error} with a code as text',
    { error: { ...words, code: '429' } },
    { kind: 'rate_limited', says: fire },
  ),
  ...told(
    'an error without a status, in any envelope',
    '{error} as a sentence',
    { error: words.message },
    { kind: 'overloaded', says: fire },
  ),
  ...told(
    '400, in any envelope',
    '{object: "error"}',
    { object: 'error', ...words, code: 400 },
    { kind: 'bad_request', says: fire },
  ),
  ...told(
    '401, in any envelope',
    '{detail}',
    { detail: words.message, status: 401 },
    { kind: 'auth', says: fire },
  ),
  ...told('5xx, in any envelope', 'an array', [{ error: { ...words, code: 500 } }], {
    kind: 'overloaded',
    says: fire,
  }),
  ...told('an error without a status, in any envelope', 'a string', words.message, {
    kind: 'overloaded',
    says: fire,
  }),
  ...told(
    'a conversation that is too long, by 413 or in words',
    'a conversation that is too long, with 500',
    { error: { code: 500, message: 'Context size has been exceeded.' } },
    { kind: 'context_too_long', says: /Context size/ },
  ),
  {
    family: 'an error without a status, in any envelope',
    name: 'an event of the name "error"',
    plays: (wire) => ({
      script: [...begun(wire), 'event: error\n', 'data: The GPU is on fire.\n\n'],
      socket: 'open',
    }),
    becomes: { kind: 'overloaded', says: fire },
  },
  {
    family: '5xx, in any envelope',
    name: 'a field of the name "error", in two pieces',
    plays: (wire) => ({
      script: [...begun(wire), 'error: {"code":503,', 20, '"message":"The GPU is on fire."}\n\n'],
      socket: 'open',
    }),
    becomes: { kind: 'overloaded', says: fire },
  },
  {
    family: '5xx, in any envelope',
    name: 'an error without any field',
    plays: (wire) => ({
      script: [...begun(wire), '{"error":{"code":503,"message":"The GPU is on fire."}}\n'],
      socket: 'open',
    }),
    becomes: { kind: 'overloaded', says: fire },
  },
  {
    family: 'a page or a sentence in place of an answer',
    name: 'a page of HTML with status 200',
    plays: () => ({ type: 'text/html', script: ['<html><h1>Sign in to the hotel</h1></html>'] }),
    becomes: { kind: 'unreadable', says: /sent what is no answer of its format: Sign in to the hotel/ },
  },
  {
    family: 'a page or a sentence in place of an answer',
    name: 'a sentence with status 200',
    plays: () => ({ type: 'text/plain', script: ['internal error'] }),
    becomes: { kind: 'unreadable', says: /internal error/ },
  },
  {
    family: 'a conversation that is too long, by 413 or in words',
    name: '413',
    plays: () => ({ status: 413, type: 'text/html', script: ['<h1>Request Entity Too Large</h1>'] }),
    becomes: { kind: 'context_too_long', says: /Request Entity Too Large \(status 413\)/ },
  },
  {
    family: 'an account with nothing left',
    name: 'an account with nothing left',
    plays: () => ({
      status: 429,
      type: 'application/json',
      script: [JSON.stringify({ error: { message: 'No', code: 'insufficient_quota' } })],
    }),
    becomes: { kind: 'auth', says: /the account has nothing left; it is not tried again: No/ },
  },
];

export const faults: Fault[] = [...life, ...framing, ...ends, ...errors];

const text = 'Hello there';
const documents: Record<Wire['provider'], unknown> = {
  compatible: {
    ...{ id: 'c', object: 'chat.completion', created: 1, model: 'm' },
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 },
  },
  openai: {
    ...{ id: 'r', object: 'response', created_at: 1, model: 'm', status: 'completed' },
    output: [{ id: 'm', type: 'message', role: 'assistant', content: [{ type: 'output_text', text }] }],
    usage: { input_tokens: 10, output_tokens: 2, total_tokens: 12 },
  },
  anthropic: {
    ...{ id: 'm', type: 'message', role: 'assistant', model: 'm', stop_reason: 'end_turn' },
    content: [{ type: 'text', text }],
    usage: { input_tokens: 10, output_tokens: 2 },
  },
  google: [
    {
      candidates: [{ content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 2, totalTokenCount: 12 },
    },
  ],
};

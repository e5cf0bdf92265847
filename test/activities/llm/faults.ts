// What model servers do on the wire, and what becomes of it: a table of wire format × fault. Each row is a script that is
// made from a whole answer of the format.
import { errors } from './error-faults.ts';
import { all, begun, data, eventsOf, type Fault, silenceMs } from './fault.ts';
import type { Script } from './fault-server.ts';
import type { Wire } from './wires.ts';

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

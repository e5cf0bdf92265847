// What of a conversation is summed up when it fills its model's window, and what the model is asked for. Pure. Whole steps
// are summed up, so every call keeps its result; the last steps and what people said stay as they were.
import type { StoredMessage, Summary } from '../../workflows/contracts/message.ts';
import { type LlmMessage, tagged } from '../llm/llm.ts';
import { sizeOfParts, wordsWithNames } from './attachments.ts';
import { compactionRequest, compactionProtocol } from './protocol.ts';
import { shortened, tokensOf, tokensOfMessage } from './tokens.ts';

/** A prompt that fills more of its window than this is made shorter. The rest is for the answer and for the next results. */
const fullShare = 0.8;
// Parts of the window. The last steps that stay: what the agent is in the middle of.
const keptShare = 0.25;
// The newest step alone may be as large as this: its results have not been read yet.
const newestShare = 0.5;
// What people said, in their words. It grows without an end in a long conversation, so the middle of it goes.
const wordsShare = 0.1;
// What the model reads to sum it up: it must fit with room for the answer, even where tokens are counted too low.
const transcriptShare = 0.5;
// Less than this is not worth a call of the model: it would be summed up again and again.
const leastShare = 0.1;
// What a summary may have. A longer one would be full of what can be looked up again.
const summaryShare = 1 / 8;
const longestSummary = 8_192;
const shortestSummary = 256;

/** What each of a transcript may have at first, in tokens; all are halved until it fits. */
const firstCap = { words: 1_500, result: 500 };
const lastCap = 20;

export interface Compaction {
  covers: Summary['covers'];
  messages: number;
  words: string[];
  leftOut: number;
  project: string | undefined;
  transcript: string;
  /** What goes, in tokens. */
  covered: number;
}

export function isFull(tokens: number, window: number): boolean {
  return tokens > window * fullShare;
}

export function longestSummaryFor(window: number): number {
  return Math.max(shortestSummary, Math.min(longestSummary, Math.floor(window * summaryShare)));
}

/** The newest summary of a history as the store gives it, and what came after. */
export function splitHistory(history: readonly StoredMessage[]): {
  summary: (StoredMessage & { about: Summary }) | undefined;
  rest: readonly StoredMessage[];
} {
  const [first] = history;
  return first?.about?.kind === 'summary'
    ? { summary: { ...first, about: first.about }, rest: history.slice(1) }
    : { summary: undefined, rest: history };
}

export interface Room {
  window: number;
  /** What the prompt has beside the history, in tokens. */
  fixed: number;
  /** The server has refused the prompt: whatever can go does. */
  forced: boolean;
}

/** Undefined: there is nothing to sum up, or too little to be worth it. */
export function planCompaction(history: readonly StoredMessage[], room: Room): Compaction | undefined {
  const { window, forced } = room;
  const { summary, rest } = splitHistory(history);
  const end = endOfCovered(rest, room);
  const covered = rest.slice(0, end);
  const last = covered.at(-1);
  if (last === undefined) return undefined;
  const tokens = sum(covered.map(sizeOf));
  if (!forced && tokens < window * leastShare) return undefined;
  const said = covered.filter((message) => message.role === 'user' && !message.internal);
  const words = [...(summary?.about.words ?? []), ...said.map(wordsWithNames)];
  const kept = keptWords(words, window * wordsShare);
  return {
    covers: { runId: last.runId, step: last.step },
    messages: (summary?.about.messages ?? 0) + covered.length,
    words: kept,
    leftOut: (summary?.about.leftOut ?? 0) + words.length - kept.length,
    project:
      covered.findLast(({ about }) => about?.kind === 'project')?.text ?? summary?.about.project ?? undefined,
    transcript: transcriptOf(summary?.text, covered, window * transcriptShare),
    covered: tokens,
  };
}

/** What the model is asked to write the summary. */
export function summaryMessages({ transcript }: Compaction): LlmMessage[] {
  return [
    { role: 'system', text: compactionProtocol },
    { role: 'user', text: `${tagged('history', transcript)}\n\n${compactionRequest}` },
  ];
}

/** How many of the messages are summed up: those of the earliest steps that have their answer. */
function endOfCovered(messages: readonly StoredMessage[], { window, fixed, forced }: Room): number {
  const ends = endsOfSteps(messages);
  const open = sum(messages.slice(ends.at(-1) ?? 0).map(sizeOf));
  const left = window * (fullShare - summaryShare - wordsShare) - fixed - open;
  let kept = 0;
  let end = ends.length;
  for (; end > 0; end -= 1) {
    const step = messages.slice(ends[end - 2] ?? 0, ends[end - 1]);
    kept += sum(step.map(sizeOf));
    const share = end === ends.length ? newestShare : keptShare;
    if (kept > Math.min(left, window * share)) break;
  }
  // Where all of it would stay, the server still has refused it.
  if (end === 0 && forced) end = ends.length;
  return ends[end - 1] ?? 0;
}

/** Behind which messages a step with its answer ends. */
function endsOfSteps(messages: readonly StoredMessage[]): number[] {
  const ends: number[] = [];
  let answered = false;
  messages.forEach((message, index) => {
    answered ||= message.role === 'assistant';
    const next = messages[index + 1];
    if (next?.runId === message.runId && next.step === message.step) return;
    if (answered) ends.push(index + 1);
    answered = false;
  });
  return ends;
}

/** Within the room: the first, which says what all is about, and the newest; a long one is cut in its middle. */
function keptWords(words: readonly string[], room: number): string[] {
  const [first, ...others] = words.map((text) => shortened(text, room / 4));
  if (first === undefined) return [];
  let left = room - tokensOf(first);
  const newest: string[] = [];
  for (const text of others.toReversed()) {
    left -= tokensOf(text);
    if (left < 0) break;
    newest.unshift(text);
  }
  return [first, ...newest];
}

function transcriptOf(earlier: string | undefined, messages: readonly StoredMessage[], room: number): string {
  const before = earlier === undefined ? [] : [`[summary of what came before]\n${earlier}`];
  for (let cap = firstCap; ; cap = { words: cap.words / 2, result: cap.result / 2 }) {
    const entries = [...before, ...messages.flatMap((message) => toEntries(message, cap))];
    const text = entries.join('\n\n');
    if (tokensOf(text) <= room) return text;
    // Nothing more can be cut out of each: the middle of all goes.
    if (cap.words <= lastCap) return shortened(text, room);
  }
}

function toEntries(message: StoredMessage, cap: typeof firstCap): string[] {
  const { role, internal, text, calls = [], about } = message;
  // It comes along as it is.
  if (about !== undefined) return [];
  if (role === 'user')
    return [`[${internal ? 'note' : 'person'}]\n${shortened(wordsWithNames(message), cap.words)}`];
  if (role === 'tool')
    return [
      `[result of ${message.callId}${message.failed ? ', failed' : ''}]\n${shortened(text, cap.result)}`,
    ];
  const asked = calls.map(
    ({ callId, name, input }) => `[call ${callId}: ${name}]\n${shortened(input, cap.result)}`,
  );
  return [...(text === '' ? [] : [`[agent]\n${shortened(text, cap.words)}`]), ...asked];
}

/** Of a message in a prompt, in tokens. */
export function sizeOf(message: StoredMessage): number {
  return tokensOfMessage(message) + sizeOfParts(message.parts ?? []);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

// The chunks of one answer, out of the text that came: events of a stream, or a document where a stream was due.
// It knows no time and no socket.
import { createParser, type EventSourceMessage, type ParseError } from 'eventsource-parser';
import { LlmError } from '../llm.ts';
import { complainedOf } from '../to-llm-error.ts';
import { complaintIn, wordsOf } from './complaint.ts';
import type { FormatReader } from './format.ts';
import { isObject, type Json, parsed } from './json.ts';

// What is parsed as a whole; real events stay below some 100 KB, even with a large file as arguments.
const largestEvent = 4 * 1024 * 1024;
// The fields of a stream begin with one of these, and its comments; a document begins otherwise.
const firstOfField = /^[:deir]/;
// What some servers send as an event to keep the connection alive.
const idleWords = /^\s*(?:ping|pong|keep-?alive|heartbeat)?\s*$/i;

/** `failure`: an error the server tells of, or what cannot be read; it comes after the chunks. */
export interface Read {
  chunks: Json[];
  failure?: LlmError | undefined;
}

export interface AnswerReader {
  feed(text: string): Read;
  /** The socket has closed in good order. */
  end(): Read;
  /** Whether what came may be all of a document, whose end only the socket tells. */
  mayBeWhole(): boolean;
}

export function createAnswerReader(format: FormatReader, provider: string): AnswerReader {
  let body: AnswerReader | undefined;
  return {
    feed(text) {
      const head = body === undefined ? text.replace(/^[\s\uFEFF]+/, '') : text;
      if (head === '') return { chunks: [] };
      body ??= firstOfField.test(head) ? readStream(format, provider) : readDocument(format, provider);
      return body.feed(head);
    },
    end: () => (body ?? readStream(format, provider)).end(),
    mayBeWhole: () => body?.mayBeWhole() ?? false,
  };
}

function readStream(format: FormatReader, provider: string): AnswerReader {
  let chunks: Json[] = [];
  let failure: LlmError | undefined;
  // Lines that belong to no event: a sentence, or an error without a field.
  let stray = '';
  const lines = createLines();

  function take(value: unknown, isError: boolean): void {
    if (failure !== undefined || format.progress() === 'over') return;
    const complaint = complaintIn(value, isError);
    // An error behind a finished answer does not undo it.
    if (complaint !== undefined && format.progress() !== 'open') chunks.push(...format.close());
    else if (complaint !== undefined) failure = complainedOf(complaint, provider);
    else chunks.push(...objectsOf(value).flatMap((chunk) => format.take(chunk)));
  }

  const parser = createParser({
    maxBufferSize: largestEvent,
    onEvent({ event, data }: EventSourceMessage) {
      if (data.trim() === '[DONE]') chunks.push(...format.close());
      else if (event !== 'ping' && !idleWords.test(data)) {
        const value = valueOf(data);
        take(value, event === 'error' || typeof value === 'string');
      }
    },
    onError(error: ParseError) {
      if (error.type === 'max-buffer-size-exceeded') failure ??= tooLarge(provider);
      if (error.type !== 'unknown-field') return;
      stray = error.line ?? '';
      // llama.cpp once had a field of its own for errors; others send their documents without any.
      if (error.field === 'error') take(valueOf(error.value ?? ''), true);
      else if (stray.startsWith('{')) take(parsed(stray), false);
    },
  });

  function read(text: string): Read {
    if (failure === undefined && text !== '') parser.feed(text);
    const ready = { chunks, failure };
    chunks = [];
    return ready;
  }

  return {
    feed(text) {
      const whole = lines.push(text);
      if (lines.held() > largestEvent) failure ??= tooLarge(provider);
      return read(whole);
    },
    end() {
      const rest = lines.rest();
      // The last event may lack its empty line; one that broke off in the middle is a cut, and its half no error.
      const isCut = /^data: ?[[{]/.test(rest) && parsed(rest.slice(5)) === undefined;
      const ready = read(isCut ? '' : `${rest}\n\n`);
      if (ready.failure !== undefined) return ready;
      if (format.progress() !== 'open') return { chunks: [...ready.chunks, ...format.close()] };
      return { ...ready, failure: stray === '' ? cut(provider) : unreadable(provider, stray) };
    },
    mayBeWhole: () => false,
  };
}

function objectsOf(value: unknown): Json[] {
  return (Array.isArray(value) ? value : [value]).filter(isObject);
}

/** The parser forgets a line it does not know when that comes in pieces, so it is given whole lines. */
function createLines() {
  let pieces: string[] = [];
  let length = 0;
  return {
    /** The text up to the end of the last whole line. */
    push(text: string): string {
      const end = Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r')) + 1;
      const whole = end === 0 ? '' : pieces.join('') + text.slice(0, end);
      if (end > 0) {
        pieces = [];
        length = 0;
      }
      pieces.push(text.slice(end));
      length += text.length - end;
      return whole;
    },
    held: () => length,
    rest: () => pieces.join(''),
  };
}

function readDocument(format: FormatReader, provider: string): AnswerReader {
  const pieces: string[] = [];
  let length = 0;

  function read(text: string): Read {
    const whole = parsed(text);
    // Several objects in a row are a stream without its fields.
    const values =
      whole === undefined
        ? text.split(/[\r\n]+/).map((line) => parsed(line.replace(/^data:/, '')))
        : [whole].flat();
    const complaint = values.map((value) => complaintIn(value, typeof value === 'string')).find(Boolean);
    if (complaint !== undefined && whole !== undefined)
      return { chunks: [], failure: complainedOf(complaint, provider) };
    const objects = values.filter(isObject);
    const [first] = objects;
    const single = objects.length === 1 && first !== undefined ? format.whole(first) : undefined;
    const chunks = single ?? objects.flatMap((each) => format.take(each));
    if (chunks.length === 0) return { chunks, failure: unreadable(provider, text) };
    if (format.progress() === 'open') return { chunks, failure: cut(provider) };
    return { chunks: [...chunks, ...format.close()] };
  }

  return {
    feed(text) {
      length += text.length;
      if (length > largestEvent) return { chunks: [], failure: tooLarge(provider) };
      pieces.push(text);
      return { chunks: [] };
    },
    end: () => read(pieces.join('')),
    mayBeWhole: () => parsed(pieces.join('')) !== undefined,
  };
}

/** What the text says as JSON, else the text itself: some servers send a bare sentence. */
function valueOf(text: string): unknown {
  const value = parsed(text);
  return value === undefined ? text : value;
}

function tooLarge(provider: string): LlmError {
  return new LlmError('bad_request', `${provider}: sent a single event of more than 4 MiB: refused unread`);
}

function cut(provider: string): LlmError {
  return new LlmError('network', `${provider}: the answer was cut before its end`);
}

function unreadable(provider: string, text: string): LlmError {
  return new LlmError('unreadable', `${provider}: sent what is no answer of its format: ${wordsOf(text)}`);
}

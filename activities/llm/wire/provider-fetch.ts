// The fetch of the providers' packages, and the only place that reads a provider's bytes: what the packages get is a
// clean stream of events, or an LlmError. One per call.
import { complainedOf, unreachedBy } from '../to-llm-error.ts';
import { LlmError } from '../llm.ts';
import { retryAfterOf } from '../retry-after.ts';
import { bodyText, guardedFetch } from '../guarded-fetch.ts';
import { complaintOf } from './complaint.ts';
import type { FormatReader, WireFormat } from './format.ts';
import { createAnswerReader, type Read } from './read-events.ts';

export interface ProviderWire {
  provider: string;
  format: WireFormat;
  /** Told of every piece of bytes that comes. */
  alive(): void;
}

// After the end of an answer its usage or its closing mark may still be on the way, some milliseconds behind; what
// waits longer waits for a socket that the server leaves open.
const afterEndMs = 1_000;
// A server that has not said what was used may still be counting.
const beforeUsageMs = 5_000;

// An error document is a sentence or two; more is a page that was not asked for.
const largestErrorBody = 64 * 1024;

export function createProviderFetch(wire: ProviderWire): typeof fetch {
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const response = await guardedFetch(input, init).catch((error: unknown) => {
      throw unreachedBy(error, wire.provider, url) ?? error;
    });
    wire.alive();
    const place = redirectIn(response, url);
    if (place !== undefined)
      throw new LlmError('bad_request', `${wire.provider}: ${place}: set its base URL to where it is`);
    if (!response.ok) throw await refusalIn(response, wire);
    const headers = new Headers([...response.headers]);
    headers.set('content-type', 'text/event-stream');
    headers.delete('content-length');
    headers.delete('content-encoding');
    const source = (response.body ?? new Blob([]).stream()).getReader();
    const answer = readAnswer(source, wire);
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const { done, value } = await answer.next();
          if (done === true) controller.close();
          else controller.enqueue(value);
        },
        // The generator may be waiting for the source, and would hear of it only afterwards.
        cancel: (reason) => source.cancel(reason),
      },
      // What has been read is handed on before a failure behind it is told.
      { highWaterMark: 0 },
    );
    return new Response(body, { status: 200, headers });
  };
}

/** Where else a server sends requests. They are not sent on, since they carry a key. What follows `?` may be secret. */
function redirectIn({ status, headers }: Response, url: string): string | undefined {
  const location = headers.get('location');
  if (status < 300 || status > 399 || location === null || !URL.canParse(location, url)) return undefined;
  const { origin, pathname } = new URL(location, url);
  return `${new URL(url).origin} sends requests on to ${origin}${pathname}`;
}

async function refusalIn(response: Response, { provider, alive }: ProviderWire): Promise<LlmError> {
  const body = await bodyText(response, largestErrorBody, alive);
  const complaint = complaintOf(response.status, response.statusText, body);
  const headers = Object.fromEntries(response.headers);
  return complainedOf(complaint, provider, retryAfterOf(headers, body));
}

async function* readAnswer(
  source: ReadableStreamDefaultReader<Uint8Array>,
  { provider, format, alive }: ProviderWire,
): AsyncGenerator<Uint8Array> {
  const progress = format();
  const reader = createAnswerReader(progress, provider);
  const text = new TextDecoder();
  const encoder = new TextEncoder();
  try {
    for (;;) {
      const piece = await nextPiece(source, graceMs(progress, reader.mayBeWhole));
      if (piece instanceof Uint8Array) alive();
      const read = readPiece(piece);
      for (const chunk of read.chunks) yield encoder.encode(`data: ${JSON.stringify(chunk)}\n\n`);
      if (read.failure !== undefined) throw read.failure;
      if (progress.progress() === 'over') return;
    }
  } finally {
    // Whatever the server still has to say after the end is not waited for.
    await source.cancel().catch(() => undefined);
  }

  function readPiece(piece: Uint8Array | 'end' | 'quiet' | { broken: unknown }): Read {
    if (piece instanceof Uint8Array) return reader.feed(text.decode(piece, { stream: true }));
    if (piece === 'end') return reader.end();
    // A document that is whole is one, also when its socket breaks or falls silent.
    if (progress.progress() === 'open' && reader.mayBeWhole()) return reader.end();
    // So is an answer that has said why it ends.
    if (piece === 'quiet' || progress.progress() !== 'open') return { chunks: progress.close() };
    throw piece.broken;
  }
}

/** How long to wait for more where the answer may have ended; undefined: until the call is given up. */
function graceMs(progress: FormatReader, mayBeWhole: () => boolean): number | undefined {
  switch (progress.progress()) {
    case 'open':
      return mayBeWhole() ? afterEndMs : undefined;
    case 'finished':
      return beforeUsageMs;
    default:
      return afterEndMs;
  }
}

async function nextPiece(
  source: ReadableStreamDefaultReader<Uint8Array>,
  mostMs: number | undefined,
): Promise<Uint8Array | 'end' | 'quiet' | { broken: unknown }> {
  const next = source.read().then(
    ({ done, value }) => (done ? ('end' as const) : value),
    (error: unknown) => ({ broken: error }),
  );
  if (mostMs === undefined) return next;
  const quiet = Promise.withResolvers<'quiet'>();
  // In a process that stood still something may have come: it is read first.
  const timer = setTimeout(() => setImmediate(() => quiet.resolve('quiet')), mostMs);
  try {
    return await Promise.race([next, quiet.promise]);
  } finally {
    clearTimeout(timer);
  }
}

// The fetch the providers' packages use: it follows no redirect and bounds what a body can make us hold.
import { LlmError } from './llm.ts';

// One event of a stream is parsed as a whole; real ones stay below some 100 KB, even with a large file as arguments.
const largestEvent = 4 * 1024 * 1024;
// An error document is a sentence or two; more is a page nobody asked for.
const largestErrorBody = 64 * 1024;

const lineFeed = 10;

export const guardedFetch: typeof fetch = async (input, init) => {
  // The key travels in a header of the provider's own, which a redirect would carry to another host.
  const response = await fetch(input, { ...init, redirect: 'error' });
  if (response.body === null) return response;
  const body = response.body.pipeThrough(response.ok ? boundEvents() : cutAt(largestErrorBody));
  return new Response(body, {
    status: response.status,
    statusText: response.statusText,
    headers: response.headers,
  });
};

/** Fails when one line grows beyond the bound, before the parser behind it has collected the line. */
function boundEvents(): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let held = 0;
  return new TransformStream({
    transform(chunk, controller) {
      const end = chunk.lastIndexOf(lineFeed);
      held = end === -1 ? held + chunk.length : chunk.length - end - 1;
      if (held > largestEvent) {
        controller.error(
          new LlmError('bad_request', 'The provider sent a single event of more than 4 MiB: refused unread'),
        );
        return;
      }
      controller.enqueue(chunk);
    },
  });
}

function cutAt(limit: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let left = limit;
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) controller.terminate();
    },
  });
}

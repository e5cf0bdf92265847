// A fetch of model servers: it follows no redirect, and waits as long as its caller does.
import type { Dispatcher, RequestInit as UndiciInit } from 'undici';

// undici gives up after 300 s without headers or between two pieces of a body, which is in the middle of the prompt for
// a slow server. How long a call may be silent is for the stall watch to say. The global dispatcher is kept, with the
// proxy it may have.
function patient(dispatcher: Dispatcher): Dispatcher {
  return dispatcher.compose(
    (dispatch) => (options, handler) => dispatch({ ...options, headersTimeout: 0, bodyTimeout: 0 }, handler),
  );
}

// At the first call: a process that never makes one does without the package.
let loading: ReturnType<typeof load> | undefined;

async function load() {
  const { fetch, getGlobalDispatcher } = await import('undici');
  return { request: fetch, dispatcher: patient(getGlobalDispatcher()) };
}

export const guardedFetch: typeof fetch = async (input, init) => {
  // The key travels in a header of the provider's own, which a redirect would carry to another host.
  const { request, dispatcher } = await (loading ??= load());
  const options = { ...init, redirect: 'manual', dispatcher } as UndiciInit;
  return (await request(input instanceof Request ? input.url : input, options)) as unknown as Response;
};

/** The text of a body up to a bound; what has come is enough where it breaks off. */
export async function bodyText(
  response: Response,
  mostBytes: number,
  alive: () => void = () => undefined,
): Promise<string> {
  if (response.body === null) return '';
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    // Left early, the loop closes the socket.
    for await (const piece of response.body) {
      alive();
      pieces.push(piece);
      length += piece.length;
      if (length >= mostBytes) break;
    }
  } catch {
    // The status says what matters.
  }
  return Buffer.concat(pieces).subarray(0, mostBytes).toString();
}

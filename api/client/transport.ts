// One HTTP request of the client: the token, the idempotency key, and trying again while the server restarts.
// Runs in browsers too: no import of node.
import { ProblemError, toProblem, Unreachable } from './problem.ts';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface TransportSettings {
  /** Where the server is, without `/api/v1`. */
  url: string;
  token: string | undefined;
  /** The client the person uses, as "who decided" names it; `api` unless said otherwise. */
  surface?: 'cli' | 'page';
  fetch?: typeof fetch;
  /** How long a request is tried again while the server does not answer; 5 seconds unless said otherwise. */
  retryForMs?: number;
}

export type Query = Record<string, string | number | boolean | undefined>;

export interface Call {
  query?: Query;
  body?: unknown;
  /** Sent as it is in place of a body of JSON, under its own type. */
  file?: Blob;
  /** Statuses whose body is an answer although HTTP calls them an error. */
  accept?: number[];
  signal?: AbortSignal;
}

export interface Transport {
  json<Answer>(method: Method, path: string, call?: Call): Promise<Answer>;
  text(path: string, call?: Call): Promise<string>;
  /** One attempt to open a stream; resolves when the headers are there. */
  open(path: string, query: Query, headers: Record<string, string>, signal: AbortSignal): Promise<Response>;
}

interface Reply {
  status: number;
  text: string;
  retryAfterMs: number | undefined;
}

// A supervised API is back about a second after a kill; five leave room for a busy machine.
const defaultRetryForMs = 5_000;
// Longer than any deadline the server sets itself, a large diff included.
const attemptTimeoutMs = 30_000;
// First pause between two attempts; it doubles up to the second figure, which is one start of the API.
const firstPauseMs = 100;
const longestPauseMs = 1_000;

export function createTransport(settings: TransportSettings): Transport {
  const send = settings.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const root = settings.url.replace(/\/+$/, '');
  const retryForMs = settings.retryForMs ?? defaultRetryForMs;

  function address(path: string, query: Query = {}): string {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    return `${root}/api/v1${path}${search === '' ? '' : `?${search}`}`;
  }

  /** Who asks, and through what. */
  function caller(): Record<string, string> {
    const { token, surface } = settings;
    return {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(surface && { 'x-perdure-surface': surface }),
    };
  }

  async function attempt(url: string, init: RequestInit, signal: AbortSignal | undefined): Promise<Reply> {
    const timeout = AbortSignal.timeout(attemptTimeoutMs);
    const both = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    const response = await send(url, { ...init, signal: both });
    // The body belongs to the attempt: a connection that dies inside it is a reason to try again.
    return { status: response.status, text: await response.text(), retryAfterMs: retryAfterMs(response) };
  }

  async function exchange(method: Method, path: string, call: Call = {}): Promise<string> {
    const headers: Record<string, string> = caller();
    const init: RequestInit = { method, headers };
    // One key for all attempts: whichever of them arrived first did it, the others get its answer.
    if (method !== 'GET') headers['idempotency-key'] = randomKey();
    if (call.body !== undefined) {
      headers['content-type'] = 'application/json';
      init.body = JSON.stringify(call.body);
    }
    if (call.file !== undefined) {
      headers['content-type'] = call.file.type;
      init.body = call.file;
    }
    const until = Date.now() + retryForMs;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      const reply = await attempt(address(path, call.query), init, call.signal).catch((cause: unknown) => {
        call.signal?.throwIfAborted();
        if (Date.now() + pauseMs > until) throw new Unreachable(root, cause);
        return undefined;
      });
      const wait = Math.max(pauseMs, reply?.retryAfterMs ?? 0);
      if (reply !== undefined) {
        if (reply.status < 300 || call.accept?.includes(reply.status)) return reply.text;
        const problem = toProblem(reply.status, reply.text);
        const mayPass = reply.status === 503 || problem.code === 'RequestInFlight';
        if (!mayPass || Date.now() + wait > until) throw new ProblemError(reply.status, problem);
      }
      await pause(wait, call.signal);
    }
  }

  return {
    async json<Answer>(method: Method, path: string, call?: Call) {
      const text = await exchange(method, path, call);
      return (text === '' ? undefined : JSON.parse(text)) as Answer;
    },
    text: (path, call) => exchange('GET', path, call),
    open: (path, query, headers, signal) =>
      send(address(path, query), { headers: { ...caller(), ...headers }, signal }),
  };
}

/** Waits, or throws the reason of the signal as soon as it aborts. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

function retryAfterMs(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

// crypto.randomUUID exists only where a browser trusts the origin; plain http on a local network is not that.
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

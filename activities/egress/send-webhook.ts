// Posts one message to a webhook, signed as Standard Webhooks has it (standardwebhooks.com): HMAC-SHA-256 over
// `id.timestamp.body`. No redirect is followed, and of an answer only its status and the first words are read.
import { createHmac } from 'node:crypto';
import type { Agent, Response } from 'undici';
import { normalizeHost, readHostAndPort } from '../../workflows/policy/host.ts';
import { agentOptions, checkLiteral, type Egress, networkProblem } from './egress.ts';

export interface Endpoint {
  url: string;
  /** `whsec_…`; each signs, so that a receiver may know the old one or the new one. */
  secrets: readonly string[];
}

export interface Message {
  /** The same with each attempt: a receiver that knows it has had the message. */
  id: string;
  body: string;
}

/** What one attempt came to. */
export interface Answered {
  /** Null: no answer came. */
  status: number | null;
  ms: number;
  /** Why it does not count as delivered, in one sentence; null: it does. */
  problem: string | null;
}

export interface WebhookSender {
  /** Never throws for what the endpoint or the network does. */
  send(endpoint: Endpoint, message: Message, signal?: AbortSignal): Promise<Answered>;
  /** Why nothing can be sent there, as far as that can be told without asking for its name. */
  problemOf(url: string): string | undefined;
}

// A receiver that has to do something longer answers first and does it afterwards; most give their own handlers as much.
const answerMs = 15_000;
// A sentence about what is wrong; the rest is a page for browsers.
const mostBytes = 512;

export function signatureOf(secret: string, id: string, timestamp: number, body: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

/** `privateHosts`: `host` or `host:port` that may be reached though they are not public: the operator's own. */
export function createWebhookSender(egress: Egress, privateHosts: readonly string[] = []): WebhookSender {
  const anywhere: Egress = { ...egress, addressProblem: () => undefined };
  const agents = new Map<Egress, Promise<Agent>>();

  const reached = privateHosts.map(readHostAndPort);

  function egressOf({ protocol, hostname, port }: URL): Egress {
    const host = normalizeHost(hostname);
    // A URL does not write the usual one.
    const to = Number(port || (protocol === 'https:' ? 443 : 80));
    return reached.some((one) => one?.host === host && (one?.port ?? to) === to) ? anywhere : egress;
  }

  /** Idle connections of it end by themselves and keep no process alive. */
  async function agentOf(way: Egress): Promise<Agent> {
    const known = agents.get(way) ?? import('undici').then((http) => new http.Agent(agentOptions(way)));
    agents.set(way, known);
    return known;
  }

  async function post(
    url: URL,
    headers: Record<string, string>,
    body: string,
    signal: AbortSignal,
  ): Promise<Response> {
    const way = egressOf(url);
    checkLiteral(way, url.hostname);
    const { fetch } = await import('undici');
    const dispatcher = await agentOf(way);
    return fetch(url, { method: 'POST', dispatcher, redirect: 'manual', headers, body, signal });
  }

  return {
    async send({ url, secrets }, { id, body }, signal) {
      const began = performance.now();
      const ms = (): number => Math.round(performance.now() - began);
      const late = AbortSignal.timeout(answerMs);
      const timestamp = Math.floor(Date.now() / 1000);
      const headers = {
        'content-type': 'application/json',
        'user-agent': 'perdure',
        'webhook-id': id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': secrets.map((secret) => signatureOf(secret, id, timestamp, body)).join(' '),
      };
      const any = AbortSignal.any([late, ...(signal ? [signal] : [])]);
      try {
        const response = await post(new URL(url), headers, body, any);
        const { status } = response;
        if (!response.ok) return { status, ms: ms(), problem: await refusalOf(response) };
        await firstWords(response);
        return { status, ms: ms(), problem: null };
      } catch (error) {
        const why = late.aborted ? `no answer came within ${answerMs / 1000} seconds` : networkProblem(error);
        if (why === undefined) throw error;
        return { status: null, ms: ms(), problem: `It was not reached: ${why}.` };
      }
    },
    problemOf(url) {
      const parsed = new URL(url);
      try {
        const { hostname } = parsed;
        checkLiteral(egressOf(parsed), /(^|\.)localhost\.?$/.test(hostname) ? '127.0.0.1' : hostname);
        return undefined;
      } catch (error) {
        return (error as Error).message;
      }
    },
  };
}

async function refusalOf(response: Response): Promise<string> {
  const { status, headers } = response;
  const location = headers.get('location');
  if (status >= 300 && status < 400) {
    await response.body?.cancel();
    return `It answered ${status}${location === null ? '' : ` to ${location.slice(0, 200)}`}; redirects are not followed.`;
  }
  const said = await firstWords(response);
  return said === '' ? `It answered ${status}.` : `It answered ${status}: ${said}`;
}

/** Of the body, as one line; what has come is enough where it breaks off. One that was read leaves its connection open. */
async function firstWords({ body }: Response): Promise<string> {
  let bytes = Buffer.alloc(0);
  try {
    for await (const piece of body ?? []) {
      bytes = Buffer.concat([bytes, piece as Uint8Array]);
      if (bytes.length >= mostBytes) break;
    }
  } catch {
    // The status says what matters.
  }
  const text = bytes
    .subarray(0, mostBytes)
    .toString()
    .replace(/\p{Cc}+/gu, ' ');
  return text.trim().slice(0, 200);
}

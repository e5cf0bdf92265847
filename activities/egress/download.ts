// Fetches a file from a public address, for a person who put the address into a message. Each redirect is judged as the
// address was. No proxy, no cookies, no credentials. What passes by itself is tried again.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Agent, fetch, Response } from 'undici';
import { urlProblem } from '../../workflows/contracts/input-part.ts';
import { agentOptions, AddressRefused, checkLiteral, type Egress, networkProblem } from './egress.ts';

/** Reads a body to its end, or as far as it wants it. */
export type Take<Taken> = (mediaType: string, body: AsyncIterable<Uint8Array>) => Promise<Taken>;

/** What became of the body; or a sentence about why there is none, and whether that passes by itself. */
export type Downloaded<Taken> = { taken: Taken } | { problem: string; passes?: boolean };

const maxRedirects = 5;
// 64 MiB at four megabits a second.
const wholeMs = 130_000;
// A server that is being restarted is back by then.
const pausesMs = [1_000, 4_000];
const redirects = [301, 302, 303, 307, 308];

export async function download<Taken>(
  egress: Egress,
  address: string,
  signal: AbortSignal,
  take: Take<Taken>,
): Promise<Downloaded<Taken>> {
  for (const pauseMs of pausesMs) {
    const got = await attempt(egress, address, signal, take);
    if ('taken' in got || !got.passes) return got;
    await sleep(pauseMs, undefined, { signal });
  }
  return attempt(egress, address, signal, take);
}

async function attempt<Taken>(
  egress: Egress,
  address: string,
  signal: AbortSignal,
  take: Take<Taken>,
): Promise<Downloaded<Taken>> {
  // At the first download: a process that never makes one does without the package.
  const http = await import('undici');
  const agent = new http.Agent(agentOptions(egress));
  const late = AbortSignal.timeout(wholeMs);
  const asking = { agent, request: http.fetch, signal: AbortSignal.any([signal, late]) };
  try {
    const response = await follow(egress, address, asking);
    if ('problem' in response) return response;
    return { taken: await take(typeOf(response), (response.body ?? []) as AsyncIterable<Uint8Array>) };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (late.aborted) return { problem: `It takes longer than ${wholeMs / 1000} seconds.` };
    const problem = networkProblem(error);
    if (problem === undefined) throw error;
    return { problem: `It could not be fetched: ${problem}.`, passes: !isRefused(error) };
  } finally {
    await agent.destroy();
  }
}

async function follow(
  egress: Egress,
  address: string,
  { agent, request, signal }: { agent: Agent; request: typeof fetch; signal: AbortSignal },
): Promise<Response | { problem: string; passes?: boolean }> {
  let url = new URL(address);
  for (let count = 0; count <= maxRedirects; count += 1) {
    checkLiteral(egress, url.hostname);
    const headers = { 'user-agent': 'perdure', accept: '*/*' };
    const response = await request(url, { dispatcher: agent, redirect: 'manual', signal, headers });
    const location = response.headers.get('location');
    if (!redirects.includes(response.status) || location === null) {
      if (response.ok) return response;
      await response.body?.cancel();
      const passes = response.status >= 500 || response.status === 429;
      return { problem: `Its server answers ${response.status}.`, passes };
    }
    await response.body?.cancel();
    const target = URL.parse(location, url);
    const problem = target === null ? 'is none' : urlProblem(target.href);
    if (target === null || problem !== undefined)
      return { problem: `It redirects to an address that ${problem}.` };
    url = target;
  }
  return { problem: `It redirects more than ${maxRedirects} times.` };
}

/** Not by the network: it is no use to ask again. */
function isRefused(error: unknown): boolean {
  for (let reason: unknown = error; reason instanceof Error; reason = reason.cause)
    if (reason instanceof AddressRefused) return true;
  return false;
}

function typeOf({ headers }: Response): string {
  const type = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? '';
  return /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(type) && type.length <= 127
    ? type
    : 'application/octet-stream';
}

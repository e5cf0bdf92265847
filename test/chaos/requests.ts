// Requests as a careful client makes them: under an idempotency key, tried again until an answer comes. Notes
// every acknowledgement, since what was acknowledged is what must never be lost.
import { setTimeout as sleep } from 'node:timers/promises';

export interface Acknowledged {
  path: string;
  key: string;
  body: object;
  status: number;
  answer: Record<string, unknown>;
  sentAt: number;
  at: number;
  /** Tries it took; 1 when the first one was answered. */
  tries: number;
  /** The longest any one of them hung. */
  longestMs: number;
  /** The answers of the other requests sent at the same time under the same key. */
  twins: { status: number; id: unknown }[];
}

export interface Requests {
  /** Resolves at the first answer that is final: a success, or a refusal that trying again would not change. */
  post(path: string, body: object, options?: { twins?: number }): Promise<Acknowledged>;
  /** Everything that was answered, in the order of the answers. */
  acknowledged: Acknowledged[];
}

// A request must not hang longer than the server's own deadlines: database 15 s, and 5 s for a connection.
const attemptMs = 30_000;
const firstPauseMs = 50;
const longestPauseMs = 1_000;

export function createRequests(input: { url: string; token: string; name: string }): Requests {
  const acknowledged: Acknowledged[] = [];
  let count = 0;

  async function attempt(
    path: string,
    key: string,
    body: object,
  ): Promise<{ status: number; text: string } | undefined> {
    try {
      const response = await fetch(`${input.url}/api/v1${path}`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${input.token}`,
          'content-type': 'application/json',
          'idempotency-key': key,
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(attemptMs),
      });
      return { status: response.status, text: await response.text() };
    } catch {
      // Refused, reset or cut: whether it was done is not known, which is what the key is for.
      return undefined;
    }
  }

  async function insist(path: string, key: string, body: object): Promise<Acknowledged> {
    const sentAt = Date.now();
    let pauseMs = firstPauseMs;
    let longestMs = 0;
    for (let tries = 1; ; tries += 1) {
      const startedAt = Date.now();
      const reply = await attempt(path, key, body);
      longestMs = Math.max(longestMs, Date.now() - startedAt);
      if (reply && isFinal(reply)) {
        const answer = JSON.parse(reply.text || '{}') as Record<string, unknown>;
        const { status } = reply;
        return { path, key, body, status, answer, sentAt, at: Date.now(), tries, longestMs, twins: [] };
      }
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    }
  }

  return {
    acknowledged,
    async post(path, body, options = {}) {
      count += 1;
      const key = `${input.name}-${count}`;
      const [first, ...rest] = await Promise.all(
        Array.from({ length: 1 + (options.twins ?? 0) }, () => insist(path, key, body)),
      );
      if (!first) throw new Error('no request was sent');
      first.twins = rest.map(({ status, answer }) => ({ status, id: answer['id'] ?? answer['messageId'] }));
      acknowledged.push(first);
      return first;
    },
  };
}

function isFinal({ status, text }: { status: number; text: string }): boolean {
  // Away for now, or its disk is full.
  if (status === 503 || status === 507) return false;
  // Another request under the same key is under way.
  return !(status === 409 && text.includes('RequestInFlight'));
}

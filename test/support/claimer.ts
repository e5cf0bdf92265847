// An outside agent as a process of its own, which knows nothing of the product but its HTTP: it registers,
// pulls tasks and completes them until it is killed. It says what it was answered, a line of JSON each, and goes on where
// its parent says so: a line on its input before its first claim, and one before it works on that.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ClaimerSettings {
  url: string;
  token: string;
  name: string;
  ttlSeconds: number;
  workMs: number;
  /** It was killed with this one, comes back, and completes it as if nothing had been. */
  late?: { taskId: string; claim: number };
}

export type Said =
  | { said: 'registered' }
  | { said: 'claimed'; taskId: string; claim: number }
  | { said: 'completed'; taskId: string; claim: number; status: number; code?: string };

type Held = { taskId: string; claim: number };

/** Of all it asks, what it reads. */
interface Answer {
  id?: string;
  code?: string;
  holds?: Held[];
  task?: { id: string; claim: number } | null;
}

const { url, token, name, ttlSeconds, workMs, late } = JSON.parse(
  process.env['CLAIMER'] ?? '{}',
) as ClaimerSettings;
const lines = createInterface({ input: process.stdin });
let executorId = '';

// Dozens that ask more often are a load of their own, and all at once more so.
const pauseMs = (): number => 500 + 1000 * Math.random();

function say(said: Said): void {
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

/** Asked again until there is an answer: the server may be on its way back. */
async function ask(path: string, body: object, key?: string): Promise<{ status: number; answer: Answer }> {
  for (;;) {
    try {
      const response = await fetch(`${url}/api/v1${path}`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          ...(key !== undefined && { 'idempotency-key': key }),
        },
        body: JSON.stringify(body),
      });
      const answer = (await response.json()) as Answer;
      if (response.status < 500 && response.status !== 429) return { status: response.status, answer };
    } catch {
      // No answer, or half of one.
    }
    await sleep(pauseMs());
  }
}

async function register(): Promise<void> {
  const { answer } = await ask('/executors', { name, ttlSeconds, capabilities: ['agents'] });
  executorId = answer.id ?? '';
}

/** What it holds by the server's word, else what it can have. A pull whose answer was lost is found so. */
async function claim(): Promise<Held | undefined> {
  const { status, answer } = await ask(`/executors/${executorId}/heartbeat`, {});
  if (status === 410) await register();
  const [held] = answer.holds ?? [];
  if (held) return held;
  const pulled = await ask(`/executors/${executorId}/claim`, {});
  const { task } = pulled.answer;
  return task ? { taskId: task.id, claim: task.claim } : undefined;
}

async function complete({ taskId, claim: number }: Held): Promise<void> {
  const key = `${name}/${taskId}/${number}`;
  const { status, answer } = await ask(`/tasks/${taskId}/complete`, { claim: number }, key);
  say({
    said: 'completed',
    taskId,
    claim: number,
    status,
    ...(answer.code !== undefined && { code: answer.code }),
  });
}

/** Whatever else it does; one after the other, so that a busy server is not asked ever more. */
async function keepAlive(): Promise<void> {
  for (;;) {
    await sleep((ttlSeconds * 1000) / 3);
    await ask(`/executors/${executorId}/heartbeat`, {});
  }
}

await register();
say({ said: 'registered' });
if (late) {
  await complete(late);
  process.exit(0);
}
void keepAlive();
await once(lines, 'line');
let isFirst = true;
for (;;) {
  const held = await claim();
  if (!held) {
    await sleep(pauseMs());
    continue;
  }
  say({ said: 'claimed', ...held });
  if (isFirst) await once(lines, 'line');
  isFirst = false;
  await sleep(workMs);
  await complete(held);
}

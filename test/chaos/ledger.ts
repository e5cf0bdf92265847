// Counts side effects: a tool's command posts a key, the ledger notes the key and when. It can break the connection
// before it counts or after, as a service does that dies at the wrong moment.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How the ledger takes a post: answers it, or breaks off before or after it has counted. */
export type LedgerMood = 'answers' | 'dies-before' | 'dies-after';

export interface Hit {
  key: string;
  at: number;
}

export interface Ledger {
  port: number;
  /** Every effect that took place, in order. */
  hits: Hit[];
  close(): Promise<void>;
}

export async function startLedger(moodOf: (key: string) => LedgerMood): Promise<Ledger> {
  const hits: Hit[] = [];
  const server = createServer((request, response) => {
    const key = decodeURIComponent((request.url ?? '/').slice(1));
    const mood = moodOf(key);
    if (mood !== 'dies-before') hits.push({ key, at: Date.now() });
    if (mood === 'answers') response.end('counted\n');
    else request.socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    hits,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * The command of a tool call whose effect is one post. Bash speaks HTTP by itself, so that hundreds of calls cost
 * next to nothing; it fails when the ledger breaks off.
 */
export function effectCommand(
  port: number,
  key: string,
  times: { says?: string; beforeMs: number; afterMs: number },
): string {
  const path = encodeURIComponent(key);
  return [
    ...(times.says ? [`echo ${times.says}`] : []),
    `sleep ${times.beforeMs / 1000}`,
    `bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port} && printf "%s\\r\\n\\r\\n" "POST /${path} HTTP/1.0" >&3 && grep counted <&3'`,
    `status=$?`,
    `sleep ${times.afterMs / 1000}`,
    `exit $status`,
  ].join('\n');
}

/** Where the effects of a program are counted whose commands reach no network, in its project: a line for each. */
export const effectsFile = 'effects.txt';

/** The same effect as a line in that file. It fails before or after where the ledger would break off. */
export function fileEffectCommand(
  key: string,
  { beforeMs, afterMs, mood }: { beforeMs: number; afterMs: number; mood: LedgerMood },
): string {
  return [
    `sleep ${beforeMs / 1000}`,
    ...(mood === 'dies-before' ? ['exit 1'] : []),
    // Microseconds, as bash tells them without another process.
    `echo "${key} ${'$'}{EPOCHREALTIME/[.,]/}" >>${effectsFile} || exit 1`,
    `sleep ${afterMs / 1000}`,
    ...(mood === 'dies-after' ? ['exit 1'] : []),
  ].join('\n');
}

/** What the lines of that file say. */
export function hitsIn(text: string): Hit[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [key = '', micros] = line.split(' ');
      return { key, at: Math.floor(Number(micros) / 1000) };
    });
}

// Many readers in a process of their own, so that reading does not hold up the writer.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { ReaderInput, Target } from './reader.ts';

export interface ReadersOrder extends Omit<ReaderInput, 'target' | 'onAge'> {
  targets: Target[];
}

export interface ReadersReport {
  frames: number;
  lost: number;
  doubled: number;
  reordered: number;
  /** Readers that were given a young frame on their present connection, and when the last of them was. */
  fresh: number;
  lastFreshAt: number;
  ended: number;
  /** Of what came since the last report. */
  ages: { count: number; p50: number; p99: number };
}

export interface Readers {
  pid: number;
  /** Closes what is open and opens these; resolves when all have been asked for. */
  open(order: ReadersOrder): Promise<void>;
  report(): Promise<ReadersReport>;
  /** Resolves when every stream has come to its end. */
  allEnded(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startReaders(): Promise<Readers> {
  const child = fork(path.join(import.meta.dirname, 'readers-process.ts'));
  const ended = once(child, 'exit');
  await once(child, 'message');

  async function ask(message: object): Promise<unknown> {
    child.send(message);
    const answer = await Promise.race([
      once(child, 'message'),
      ended.then(() => {
        throw new Error('The readers have ended.');
      }),
    ]);
    return answer[0];
  }

  return {
    pid: child.pid ?? 0,
    async open(order) {
      await ask({ order });
    },
    report: async () => (await ask({})) as ReadersReport,
    async allEnded() {
      await ask({ waitForEnd: true });
    },
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await ended;
    },
  };
}

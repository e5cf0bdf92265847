// Starts floor-server.ts and tells it what to do.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { servingHeap, servingMemory } from '../../../worker/idle-garbage.ts';

export interface Floor {
  pid: number;
  port: number;
  /** Writes `perTick` frames to each reader at every tick, until the next order. */
  write(order: { everyMs: number; perTick: number; frame: string }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startFloor(databaseUrl: string): Promise<Floor> {
  const child = fork(path.join(import.meta.dirname, 'floor-server.ts'), [databaseUrl], {
    execArgv: servingHeap,
    env: { ...process.env, ...servingMemory },
  });
  const ended = once(child, 'exit');
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    pid: child.pid ?? 0,
    port,
    async write(order) {
      child.send(order);
      await once(child, 'message');
    },
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await ended;
    },
  };
}

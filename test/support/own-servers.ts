// A Postgres and a Temporal server of a test file's own, to be killed, frozen and started again. They are children
// of a process beside the test, which ends them when the test process is gone, however that ended.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { afterAll } from 'vitest';
import type { Servers } from './roles.ts';

export type ServerName = 'postgres' | 'temporal';

/** What the process beside the test is asked, and what it answers. */
export type Order =
  | { id: number; what: 'open' }
  | { id: number; what: 'start'; name: ServerName }
  | { id: number; what: 'signal'; name: ServerName; signal: NodeJS.Signals };
export type Reply = { id: number; problem?: string; servers?: Servers };

export interface OwnServers extends Servers {
  signal(name: ServerName, signal: NodeJS.Signals): Promise<void>;
  /** Resolves when it answers again, at its old address. */
  start(name: ServerName): Promise<void>;
}

/** To be called at the top of a test file: they live as long as the file. */
export async function openOwnServers(): Promise<OwnServers> {
  const child: ChildProcess = fork(path.join(import.meta.dirname, 'own-servers-process.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit');
  const waiting = new Map<number, (reply: Reply) => void>();
  let orders = 0;
  child.on('message', (reply: Reply) => waiting.get(reply.id)?.(reply));

  async function order(
    what:
      | { what: 'open' }
      | { what: 'start'; name: ServerName }
      | { what: 'signal'; name: ServerName; signal: NodeJS.Signals },
  ): Promise<Reply> {
    orders += 1;
    const id = orders;
    const answered = new Promise<Reply>((resolve) => waiting.set(id, resolve));
    child.send({ id, ...what } satisfies Order);
    const reply = await Promise.race([
      answered,
      ended.then((): Reply => ({ id, problem: 'the process beside the test ended' })),
    ]);
    waiting.delete(id);
    if (reply.problem !== undefined) throw new Error(reply.problem);
    return reply;
  }

  afterAll(async () => {
    child.disconnect();
    await ended;
  });
  const { servers } = await order({ what: 'open' });
  if (!servers) throw new Error('The process beside the test named no servers.');
  return {
    ...servers,
    async signal(name, signal) {
      await order({ what: 'signal', name, signal });
    },
    async start(name) {
      await order({ what: 'start', name });
    },
  };
}

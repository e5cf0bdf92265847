// The engine floor: the same shape of work on the same Temporal server, in a namespace and a worker process of its
// own, with nothing of ours around it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { v7 as uuid } from 'uuid';
import { prepareNamespace } from '../../../worker/supervisor/temporal/temporal-cluster.ts';
import type { BareRun, bareRun } from './bare/workflows.ts';

export interface Engine {
  client: Client;
  /** The worker process. */
  pid: number;
  start(run: BareRun): Promise<WorkflowHandle<typeof bareRun>>;
  [Symbol.asyncDispose](): Promise<void>;
}

const namespace = 'bench-floor';

export async function startEngine(input: {
  temporalAddress: string;
  modelUrl: string;
  llmSlots?: number;
}): Promise<Engine> {
  await untilPrepared(input.temporalAddress);
  const program = path.join(import.meta.dirname, 'bare', 'worker.ts');
  const slots = String(input.llmSlots ?? 16);
  const worker = spawn(process.execPath, [program, input.temporalAddress, namespace, input.modelUrl, slots], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(worker, 'exit');
  await Promise.race([
    once(worker.stdout, 'data'),
    ended.then(() => {
      throw new Error("The floor's worker ended before it was ready.");
    }),
  ]);
  const connection = await Connection.connect({ address: input.temporalAddress });
  const client = new Client({ connection, namespace });
  return {
    client,
    pid: worker.pid ?? 0,
    start: (run) =>
      client.workflow.start<typeof bareRun>('bareRun', {
        workflowId: `bare/${uuid()}`,
        taskQueue: 'wf',
        args: [run],
      }),
    async [Symbol.asyncDispose]() {
      await connection.close();
      worker.kill('SIGTERM');
      await ended;
    },
  };
}

/** The server's parts learn of a new namespace by polling. */
async function untilPrepared(address: string): Promise<void> {
  // A loaded machine takes a second or two; this only ends a hang.
  const deadline = Date.now() + 15_000;
  for (;;) {
    try {
      await prepareNamespace({ temporalAddress: address }, namespace);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(25);
    }
  }
}

// Ends one process and sees it gone, whether or not it is a child of this one.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessIdentity } from '../../process-table.ts';
import { isRunning, isStopped } from '../../process-table.ts';

export interface StopStage {
  signal: NodeJS.Signals;
  waitMs: number;
}

// Reading one line of the process table costs microseconds, so a short interval is cheap and stops feel immediate.
const pollMs = 20;

export async function waitUntilGone(identity: ProcessIdentity, waitMs: number): Promise<boolean> {
  const deadline = Date.now() + waitMs;
  while (isRunning(identity)) {
    if (Date.now() >= deadline) return false;
    await sleep(pollMs);
  }
  return true;
}

function send(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    // It may end between the check and the signal, which is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Goes through the stages until the process is gone; the last resort is always SIGKILL. */
export async function stopProcess(identity: ProcessIdentity, stages: StopStage[]): Promise<void> {
  for (const stage of stages) {
    send(identity, stage.signal);
    // A process frozen by SIGSTOP acts on no signal but SIGKILL until it is continued.
    if (isStopped(identity.pid)) send(identity, 'SIGCONT');
    if (await waitUntilGone(identity, stage.waitMs)) return;
  }
  send(identity, 'SIGKILL');
  // A killed process can linger in the kernel while a disk answers; longer than this is a broken machine.
  if (await waitUntilGone(identity, 30_000)) return;
  throw new Error(`Process ${identity.pid} does not end, not even by SIGKILL; look at the machine's disks.`);
}

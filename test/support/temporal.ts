// A Temporal namespace of its own for a test file: no other file's workers see its queues.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { inject } from 'vitest';
import { prepareNamespace } from '../../worker/supervisor/temporal/temporal-cluster.ts';

// The server's parts learn of a new namespace by polling, which takes milliseconds; a loaded machine needs longer.
const knownMs = 60_000;

/** Makes a namespace with the product's search attributes. It goes with the server at the end of the test process. */
export async function createTestNamespace(): Promise<{ address: string; namespace: string }> {
  const address = inject('temporalAddress');
  const namespace = `test-${randomBytes(6).toString('hex')}`;
  const deadline = Date.now() + knownMs;
  for (;;) {
    try {
      await prepareNamespace({ temporalAddress: address }, namespace);
      return { address, namespace };
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(25);
    }
  }
}

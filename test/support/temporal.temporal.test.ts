import { Client, Connection } from '@temporalio/client';
import { expect, test } from 'vitest';
import { createTestNamespace } from './temporal.ts';

test('a fresh namespace takes work at once and knows the search attributes', async () => {
  const { address, namespace } = await createTestNamespace();
  const connection = await Connection.connect({ address });
  const client = new Client({ connection, namespace });
  try {
    await client.workflow.start('nobody-runs-this', {
      taskQueue: 'nowhere',
      workflowId: 'run/1',
      searchAttributes: { PerdureStatus: ['queued'] },
    });
    const { status } = await client.workflow.getHandle('run/1').describe();
    expect(status.name).toBe('RUNNING');
  } finally {
    await connection.close();
  }
});

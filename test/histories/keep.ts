// Keeps the history of a workflow that a test ran, when test/histories/record.ts asks for it. A history that is
// there already stays: it is what workflows of that time have done, and today's code must go on from it.
import { access, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { expect, onTestFinished } from 'vitest';

/** Registers the workflow for keeping once its test has passed; does nothing in an ordinary run of the tests. */
export function keepHistory(client: Client, workflowId: string, executionId?: string): void {
  const folder = process.env['HISTORIES_FOLDER'];
  const { currentTestName = '' } = expect.getState();
  if (folder === undefined || currentTestName.includes('every workflow task a replay')) return;
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') return;
    const name = task.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').slice(0, 80);
    for (let index = 1; ; index += 1) {
      const file = path.join(folder, `${name}${index === 1 ? '' : `-${index}`}.json`);
      const known = await access(file).then(
        () => true,
        () => false,
      );
      if (known) continue;
      const history = historyToJSON(await client.workflow.getHandle(workflowId, executionId).fetchHistory());
      await writeFile(file, JSON.stringify(impersonal(history)));
      return;
    }
  });
}

// Who ran it and where the code lay is nobody's business, and replaying does not look at it.
const personal = ['identity', 'userMetadata', 'stackTrace'];

function impersonal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(impersonal);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !personal.includes(key))
      .map(([key, inner]) => [key, impersonal(inner)]),
  );
}

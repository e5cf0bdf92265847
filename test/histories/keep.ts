// Keeps the history of a workflow that a test ran, when test/histories/record.ts asks for it. A history that is
// there already stays: it is what workflows of that time have done, and today's code must go on from it.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { expect, onTestFinished } from 'vitest';

// How many workflows the test that runs now has registered, by its name.
const registered = new Map<string, number>();

/** Registers the workflow for keeping once its test has passed; does nothing in an ordinary run of the tests. */
export function keepHistory(client: Client, workflowId: string, executionId?: string): void {
  const folder = process.env['HISTORIES_FOLDER'];
  const { currentTestName = '' } = expect.getState();
  if (folder === undefined || currentTestName.includes('every workflow task a replay')) return;
  const number = (registered.get(currentTestName) ?? 0) + 1;
  registered.set(currentTestName, number);
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') return;
    // Enough words to find the test again.
    const name = (task.name.toLowerCase().match(/[a-z0-9]+/g) ?? []).slice(0, 9).join('-');
    const file = path.join(folder, `${name}${number === 1 ? '' : `-${number}`}.json`);
    if (existsSync(file)) return;
    const history = await client.workflow.getHandle(workflowId, executionId).fetchHistory();
    // Nothing to replay where no worker had taken it up.
    if (!history.events?.some((event) => event.workflowTaskCompletedEventAttributes)) return;
    await writeFile(file, JSON.stringify(impersonal(JSON.parse(historyToJSON(history)))));
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

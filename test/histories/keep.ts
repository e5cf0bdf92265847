// Writes down the history of a workflow that a test ran, when test/histories/record.ts asks for it; that keeps one of
// each path.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { expect, onTestFinished } from 'vitest';

// How many workflows of the tests of one name have been registered.
const registered = new Map<string, number>();

/** Registers the workflow for keeping once its test has passed; does nothing in an ordinary run of the tests. */
export function keepHistory(client: Client, workflowId: string, executionId?: string): void {
  const folder = process.env['HISTORIES_FOLDER'];
  const { currentTestName = '' } = expect.getState();
  if (folder === undefined) return;
  // Enough words to find the test again.
  const test = currentTestName.slice(currentTestName.lastIndexOf(' > ')).toLowerCase();
  const name = (test.match(/[a-z0-9]+/g) ?? []).slice(0, 9).join('-');
  const number = (registered.get(name) ?? 0) + 1;
  registered.set(name, number);
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') return;
    const file = path.join(folder, `${name}${number === 1 ? '' : `-${number}`}.json`);
    const history = await client.workflow.getHandle(workflowId, executionId).fetchHistory();
    // Nothing to replay where no worker had taken it up.
    if (!history.events?.some((event) => event.workflowTaskCompletedEventAttributes)) return;
    await writeFile(file, JSON.stringify(impersonal(JSON.parse(historyToJSON(history)))));
  });
}

// Who ran it, where its code lay and which build of it that was: replaying does not look at these.
const personal = ['identity', 'userMetadata', 'stackTrace', 'workerVersion', 'taskId', 'meteringMetadata'];

function impersonal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(impersonal);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !personal.includes(key))
      .map(([key, inner]) => [key, impersonal(inner)]),
  );
}

// What a long run leaves in Temporal: a run of a thousand model calls over a conversation of two hundred thousand
// tokens costs the same history bytes in its last hundred steps as in its first hundred.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import { workflowId } from '../../workflows/contracts/messages.ts';
import { openClient } from '../../worker/processes/temporal-client.ts';
import { startPlatform } from '../support/platform.ts';
import { endless, makeEndless } from './harness/endless.ts';
import { report } from './harness/pairs.ts';
import { checkRows } from './harness/rows.ts';

const { HistoryEvent } = proto.temporal.api.history.v1;

const modelCalls = 1000;
const conversationTokens = 200_000;
// A small difference is allowed: not every hundred steps hold the border between two executions.
const mostDifference = 1.1;

// A token is about four characters; the numbers make each answer different.
const words = 'what this step has found out and what the next one is to do about it '.repeat(20);
const textOf = (step: number) => `${step}: ${words}`.slice(0, (conversationTokens / modelCalls) * 4);
const steps = Array.from({ length: modelCalls - 1 }, (_, index) => ({
  text: textOf(index + 1),
  calls: [{ tool: 'todo', input: { items: [] } }],
}));

const scenarios = await mkdtemp(path.join(tmpdir(), 'perdure-bench-'));
await writeFile(path.join(scenarios, 'long.yaml'), JSON.stringify({ steps: [...steps, { text: 'Done.' }] }));
const platform = await startPlatform({ environment: { PERDURE_SCENARIOS: scenarios } });
const client = openClient({ temporalAddress: platform.temporalAddress, temporalNamespace: 'perdure' });

try {
  const began = Date.now();
  await makeEndless(platform);
  const limits = { steps: modelCalls, seconds: 7200, tokens: Number.MAX_SAFE_INTEGER };
  const { id } = await platform.client.startRun({
    prompt: 'A long piece of work.',
    model: 'scripted/long',
    ...endless,
    limits,
  });
  for await (const event of platform.client.watchRun(id)) {
    if (event.type !== 'step-end' || event.payload.step % 100 !== 0) continue;
    const seconds = ((Date.now() - began) / 1000).toFixed(0);
    process.stderr.write(`  step ${event.payload.step} after ${seconds} s\n`);
  }
  const run = await platform.client.run(id);
  if (run.status !== 'succeeded' || run.steps !== modelCalls)
    throw new Error(`The run ended as ${run.status} after ${run.steps} steps: ${run.reasonText}`);
  await checkRows(platform.databaseUrl);

  const { bytes, executions } = await historyOf(client, workflowId('run', id));
  const first = bytesPerStep(bytes.slice(0, 100));
  const last = bytesPerStep(bytes.slice(-100));
  const difference = Math.max(first / last, last / first);
  process.stdout.write(`history: ${first} bytes a step in the first hundred, ${last} in the last\n`);
  report({
    name: 'history',
    checks: [
      {
        what: 'bytes a step, first against last hundred',
        value: difference,
        target: mostDifference,
        mustReach: mostDifference,
        higherIsBetter: false,
      },
    ],
    figures: {
      modelCalls,
      executions,
      first,
      last,
      inputTokens: run.usage.inputTokens,
      outputTokens: run.usage.outputTokens,
    },
  });
} finally {
  await client.connection.close();
  await platform.remove();
  await rm(scenarios, { recursive: true });
}

function bytesPerStep(bytes: number[]): number {
  return Math.round(bytes.reduce((sum, each) => sum + each, 0) / bytes.length);
}

/** The bytes of each step over all executions of the workflow: from its model call to the next one. */
async function historyOf(temporal: Client, id: string): Promise<{ bytes: number[]; executions: number }> {
  const bytes: number[] = [];
  let before = 0;
  let executions = 0;
  const { raw } = await temporal.workflow.getHandle(id).describe();
  let next = raw.workflowExecutionInfo?.firstRunId ?? undefined;
  while (next) {
    const { events } = await temporal.workflow.getHandle(id, next).fetchHistory();
    executions += 1;
    for (const event of events ?? []) {
      const size = HistoryEvent.encode(event).finish().length;
      const isModelCall = event.activityTaskScheduledEventAttributes?.activityType?.name === 'callModel';
      if (isModelCall) {
        bytes.push(before + size);
        before = 0;
      } else if (bytes.length === 0) {
        before += size;
      } else {
        bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) + size;
      }
    }
    next = events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined;
  }
  return { bytes, executions };
}

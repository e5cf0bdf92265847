// Runs that ask people, for fault tests: a program whose call waits for an answer, the real command line that gives
// one, and what has become of it all.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { Client, Connection } from '@temporalio/client';
import type { ApprovalView } from '../../workflows/contracts/approval.ts';
import { workflowId } from '../../workflows/contracts/messages.ts';
import type { RunState } from '../chaos/evidence.ts';
import type { Program } from '../chaos/program.ts';
import { anEffect, aProgram, findRun, type Product, type StepInput } from './faults.ts';
import { until } from './platform.ts';
import type { Servers } from './roles.ts';

// A successor's start and its model call on a busy machine; past it a wait says what it waited for.
const longestMs = 90_000;
// The activity that looks for answers.
const look = 'pendingInput';
const command = path.resolve(import.meta.dirname, '..', '..', 'worker', 'perdure.mjs');

/** One call with one effect, which waits for a person. */
export function aProgramThatAsks(
  key: string,
  times: Parameters<typeof anEffect>[1] = {},
  step: StepInput = {},
): Program {
  return aProgram([{ ...step, calls: [anEffect(key, times)] }], { project: false, asks: true });
}

/** What the program's run waits for, once it does. */
export async function openApproval(product: Product, program: Program): Promise<ApprovalView> {
  const found: ApprovalView[] = [];
  async function isThere(): Promise<boolean> {
    const run = await findRun(product, program);
    if (!run) return false;
    found.push(...(await product.client.approvals({ runId: run.id, status: 'open' })).items);
    return found.length > 0;
  }
  await until(isThere, longestMs, () => `Nothing of program ${program.id} waits for an answer.`, 50);
  return found[0] as ApprovalView;
}

/**
 * The same, once the run's workflow has seen that there is no answer yet: a later answer reaches it by a wake or not at
 * all.
 */
export async function awaitedApproval(
  product: Product,
  program: Program,
  temporal: Servers['temporal'],
): Promise<ApprovalView> {
  const approval = await openApproval(product, program);
  const { address, namespace } = temporal;
  const connection = await Connection.connect({ address });
  const handle = new Client({ connection, namespace }).workflow.getHandle(workflowId('run', approval.runId));
  async function hasLooked(): Promise<boolean> {
    const { events } = await handle.fetchHistory();
    const looks = (events ?? []).filter(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === look,
    );
    return (events ?? []).some((event) =>
      looks.some(({ eventId }) =>
        event.activityTaskCompletedEventAttributes?.scheduledEventId?.eq(eventId ?? 0),
      ),
    );
  }
  try {
    await until(hasLooked, longestMs, () => `The run of program ${program.id} does not look.`, 50);
  } finally {
    await connection.close();
  }
  return approval;
}

export interface Said {
  code: number;
  out: string;
  err: string;
}

/** `perdure …` as a process of its own, until it has ended. */
export async function callPerdure({ url, token }: Product, ...args: string[]): Promise<Said> {
  const child = spawn(process.execPath, [command, ...args], {
    env: { PATH: process.env['PATH'] ?? '', PERDURE_URL: url, PERDURE_TOKEN: token },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code: code as number, out, err };
}

/** What became of a run that asked: how it ended, what was decided and used up, and what is still open. */
export function becameOf({ run, calls, approvals, attempts, events }: RunState) {
  return {
    run: run.status,
    steps: run.steps,
    calls: calls.map(({ status }) => status),
    approvals: approvals.map(({ status, decided_by, delivered, used_by_attempt }) => ({
      status,
      by: decided_by,
      delivered,
      used: used_by_attempt !== null,
    })),
    told: events.flatMap(({ type }) => (type.startsWith('approval-') ? [type] : [])),
    open: attempts.filter(({ outcome }) => outcome === null).length,
  };
}

/** The same, as expected of a run that asked once, was answered once, and came to its end. */
export function answered(
  status: 'approved' | 'denied',
  by: string,
  call: string,
): ReturnType<typeof becameOf> {
  return {
    run: 'succeeded',
    steps: 2,
    calls: [call],
    approvals: [{ status, by, delivered: true, used: status === 'approved' }],
    told: ['approval-request', 'approval-response'],
    open: 0,
  };
}

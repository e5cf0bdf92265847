// What a parent is told of its subagents that have ended: as the result of the call that waits for them, or as a message
// before its next step. Taken under the parent's lock, each once.
import type { NewEvent } from '../../../workflows/contracts/event.ts';
import type { RunStatus, StopReason } from '../../../workflows/contracts/run.ts';
import type { CallDecision } from '../calls/call-decision.ts';
import { type CallResult, type CallRow, closeCall } from '../calls/calls.ts';
import { cutOutput } from '../calls/cut-output.ts';
import type { Write } from '../log/events.ts';
import { nextPosition } from '../runs/messages.ts';
import { type LockedRun, type RunRow, streamFor } from '../runs/runs.ts';
import { type DelegationRow, setWaiting, surfaceQuestions } from './delegations.ts';

/** Keeps what is too long for a model; returns the key it is read by. */
export type Keep = (mediaType: string, bytes: Buffer) => Promise<string>;

export type Report = DelegationRow & Pick<RunRow, 'status' | 'reason' | 'reason_text' | 'final_message'>;

/**
 * Gives the calls of the present step that wait for subagents what these have reported, and tells of their questions.
 * Returns the calls that wait no longer, by whomever they were closed.
 */
export async function attendChildren(write: Write, run: LockedRun, keep: Keep): Promise<string[]> {
  if (run.children === 0) return [];
  if (run.kind === 'main') await surfaceQuestions(write, run);
  const calls = await parkedCalls(write, run);
  const open = calls.filter(isOpen);
  if (open.length > 0) await closeParked(write, run, open, keep);
  return calls.flatMap((call) => (isOpen(call) ? [] : [call.call_id]));
}

function isOpen({ status }: CallRow): boolean {
  return status === 'requested' || status === 'running';
}

async function parkedCalls(write: Write, run: RunRow): Promise<CallRow[]> {
  const calls = await write.tx
    .selectFrom('calls')
    .selectAll()
    .where('run_id', '=', run.id)
    .where('step', '=', run.steps)
    .orderBy('index')
    .execute();
  return calls.filter(({ decided }) => (decided as Partial<CallDecision>).delegates !== undefined);
}

/** Closes those that have what they wait for, and marks them so in the list. */
async function closeParked(write: Write, run: RunRow, open: CallRow[], keep: Keep): Promise<void> {
  const reports = await reportsOf(write, run);
  const events: NewEvent[] = [];
  for (const call of open) {
    const { delegates } = call.decided as Partial<CallDecision>;
    if (delegates === 'wait') {
      const awaited = awaitedBy(call);
      const those = reports.filter(({ child_id }) => awaited.includes(child_id));
      if (call.status !== 'running' || those.some(({ state }) => state === 'working')) continue;
      const text = those.map(toldNow).join('\n\n');
      events.push(...(await take(write, run, those)));
      events.push(await close(write, run, call, { text, failed: false }, keep));
      continue;
    }
    const report = reports.find(({ call_id, async }) => call_id === call.call_id && !async);
    if (report?.state !== 'reported') continue;
    events.push(...(await take(write, run, [report])));
    const failed = report.status !== 'succeeded';
    events.push(await close(write, run, call, { text: toText(report), failed }, keep));
  }
  if (events.length > 0) write.append({ ...streamFor(run), events });
  if (!open.some(isOpen)) await setWaiting(write, run, false);
}

/** The subagents that a call waits for, as noted when it was made. */
function awaitedBy({ intent }: CallRow): string[] {
  return ((intent as { children?: string[] } | null)?.children ?? []).map(String);
}

async function close(
  write: Write,
  run: RunRow,
  call: CallRow,
  { text, failed }: { text: string; failed: boolean },
  keep: Keep,
): Promise<NewEvent> {
  const status: CallResult['status'] = failed ? 'failed' : 'succeeded';
  call.status = status;
  return closeCall(write, run, call, { status, ...(await cutOutput(text, keep)), failed });
}

async function reportsOf(write: Write, run: RunRow): Promise<Report[]> {
  return write.tx
    .selectFrom('delegations')
    .innerJoin('runs', 'runs.id', 'delegations.child_id')
    .selectAll('delegations')
    .select(['runs.status', 'runs.reason', 'runs.reason_text', 'runs.final_message'])
    .where('delegations.parent_id', '=', run.id)
    .orderBy('child_id')
    .execute();
}

/** Several calls may wait for the same one: the first of them has the whole. */
function toldNow(report: Report): string {
  return report.state === 'reported' ? toText(report) : `The subagent ${report.name} has reported already.`;
}

/** Marks them as told, here too; what was told before stays so. */
async function take(write: Write, run: RunRow, reports: Report[]): Promise<NewEvent[]> {
  const fresh = reports.filter(({ state }) => state === 'reported' || state === 'posted');
  if (fresh.length === 0) return [];
  await write.tx
    .updateTable('delegations')
    .set({ state: 'delivered', delivered_to: run.id })
    .where(
      'child_id',
      'in',
      fresh.map(({ child_id }) => child_id),
    )
    .where('state', 'in', ['reported', 'posted'])
    .execute();
  for (const report of fresh) report.state = 'delivered';
  return fresh.map(({ call_id: callId, child_id: runId, name, status, reason }) => ({
    type: 'delegation-end',
    payload: { callId, runId, name, status: status as RunStatus, reason: reason as StopReason },
  }));
}

/** Before a step: what subagents that nothing waits for have reported becomes a message each. */
export async function deliverReports(write: Write, run: LockedRun, step: number, keep: Keep): Promise<void> {
  if (!run.waiting.some(({ kind }) => kind === 'report')) return;
  const reports = (await reportsOf(write, run)).filter(({ state, async }) => async && state === 'reported');
  await tellReports(write, run, { step, reports, textOf: toText, keep });
}

/** Makes each of these a message of a step, in this order; the run is told of them with it. */
export async function tellReports(
  write: Write,
  run: RunRow,
  told: { step: number; reports: Report[]; textOf(report: Report): string; keep: Keep },
): Promise<void> {
  const { step, reports, textOf, keep } = told;
  const events = await take(write, run, reports);
  for (const report of reports) {
    const { output, contentKey } = await cutOutput(textOf(report), keep);
    await addNote(write, run, step, output);
    if (contentKey === undefined) continue;
    // Contents stay as long as a call names them: here the one that asked for the subagent.
    await write.tx
      .updateTable('calls')
      .set({ content_key: contentKey })
      .where('run_id', '=', report.parent_id)
      .where('call_id', '=', report.call_id)
      .execute();
  }
  write.append({ ...streamFor(run), events });
}

/** A message that people do not see, behind those a step has. */
export async function addNote(write: Write, run: RunRow, step: number, text: string): Promise<void> {
  await write.tx
    .insertInto('messages')
    .values({
      ...{ run_id: run.id, tenant_id: run.tenant_id, step, phase: 0 },
      ...{ position: await nextPosition(write.tx, run.id, step), role: 'user', internal: true, text },
    })
    .execute();
}

export function toText({ name, child_id, status, reason_text, final_message }: Report): string {
  const said = final_message ?? '';
  if (status === 'succeeded')
    return `The subagent ${name} has finished:\n${said === '' ? 'It said nothing.' : said}`;
  const rest = said === '' ? '' : `\nThe last it said:\n${said}`;
  return `The subagent ${name} (run ${child_id}) has ended as ${status}: ${reason_text ?? ''}${rest}`;
}

// The state of an ended run as one document: what people saw of it, and its own messages as its model saw them. The rows
// are what counts; the document is for programs and people that keep it elsewhere. It is content, so it is written whole and by its
// hash before the run names it: a process that dies in between leaves what nothing names.
import { sql } from 'kysely';
import { phases } from '../../../workflows/contracts/message.ts';
import { isTerminal } from '../../../workflows/run/transitions.ts';
import type { RunStatus } from '../../../workflows/contracts/run.ts';
import { toRunViews } from '../allowances/run-money.ts';
import type { Db, Queries } from '../db/database.ts';
import type { Contents } from '../log/contents.ts';
import { listMessages, type MessagePlace } from '../runs/message-lists.ts';
import { ownMessages } from '../runs/messages.ts';
import { nameContents } from '../runs/parts.ts';
import type { RunRow } from '../runs/runs.ts';

// Some megabytes at a time, however long the run was.
const pageMessages = 100;
// As the document names itself; another shape gets another number.
const version = 1;
const mediaType = 'application/json';

/** The document in pieces. */
export async function* stateOf(db: Queries, run: RunRow): AsyncGenerator<Buffer> {
  const { tenant_id: tenantId, id: runId } = run;
  const [view] = await toRunViews(db, [run]);
  yield Buffer.from(`{"version":${version},"run":${JSON.stringify(view)},"displayMessages":[`);
  let after: MessagePlace | undefined;
  for (let first = true; ; first = false) {
    const page = await listMessages(db, {
      ...{ tenantId, of: { runId }, limit: pageMessages },
      ...(after && { after }),
    });
    yield listed(page, first);
    const last = page.at(-1);
    if (last === undefined || page.length < pageMessages) break;
    after = placeOf(last.id, runId);
  }
  yield Buffer.from('],"messages":[');
  for (let offset = 0; ; offset += pageMessages) {
    const page = await ownMessages(db, runId, { limit: pageMessages, offset });
    yield listed(page, offset === 0);
    if (page.length < pageMessages) break;
  }
  yield Buffer.from(']}');
}

function listed(items: readonly object[], isFirst: boolean): Buffer {
  const text = items.map((item) => JSON.stringify(item)).join(',');
  return Buffer.from(isFirst || text === '' ? text : `,${text}`);
}

function placeOf(id: string, runId: string): MessagePlace {
  const [step = '', phase = '', position = ''] = id.split('.');
  return {
    ...{ runId, step: Number(step), position: Number(position) },
    phase: phases.indexOf(phase as (typeof phases)[number]),
  };
}

// More than the messages of any run come to, limits of steps and of texts being what they are.
const mostBytes = 16 * 2 ** 30;

/** Writes the document of a run that has ended, then its name into the run. */
export async function keepState(db: Db, contents: Contents, run: RunRow): Promise<void> {
  if (!isTerminal(run.status as RunStatus)) return;
  // Never in its row, where the messages are already: a copy is of use beside them.
  const taken = await contents.take(run.tenant_id, mediaType, stateOf(db, run), mostBytes, 0);
  if (taken === undefined) return;
  await db.transaction().execute(async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable('runs')
      .set({ state_hash: taken.key })
      .where('id', '=', run.id)
      .executeTakeFirst();
    // A run that was deleted meanwhile names nothing.
    if (numUpdatedRows === 0n) return;
    const part = { type: 'binary', mode: 'file', name: 'state', content: taken.key } as const;
    await nameContents(tx, run, [part]);
  });
}

/** Ended runs whose document is still to be written, those that ended first. `after`: only those behind that one. */
export async function listWithoutState(
  db: Db,
  limit: number,
  after?: Pick<RunRow, 'id' | 'ended_at'>,
): Promise<RunRow[]> {
  let query = db
    .selectFrom('runs')
    .selectAll()
    .where('ended_at', 'is not', null)
    .where('state_hash', 'is', null)
    .orderBy('ended_at')
    .orderBy('id')
    .limit(limit);
  if (after) query = query.where(sql<boolean>`(ended_at, id) > (${after.ended_at}, ${after.id}::uuid)`);
  return query.execute();
}

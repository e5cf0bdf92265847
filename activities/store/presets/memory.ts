// Memory: texts that are kept for the later runs of a conversation or of a preset, and found again by their words.
import { type Selectable, sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { Failure } from '../../../workflows/contracts/failures.ts';
import { type MemoryScope, type MemoryView, mostMemories } from '../../../workflows/contracts/memory.ts';
import { addAudit } from '../access/audit.ts';
import type { Queries } from '../db/database.ts';
import type { Memory } from '../db/tables.ts';
import type { Write } from '../log/events.ts';

export type MemoryRow = Selectable<Memory>;

/** Whose memory: of one or of both. */
export interface Keepers {
  tenantId: string;
  conversationId?: string | undefined;
  preset?: string | undefined;
}

export interface NewMemory {
  tenantId: string;
  scope: MemoryScope;
  key: string;
  text: string;
  by: string;
  /** The call that keeps it: made again, it keeps nothing again. */
  call?: { runId: string; callId: string };
}

/** Undefined where there are as many as there may be. Two at once may go one over that. */
export async function addMemory(queries: Queries, memory: NewMemory): Promise<MemoryRow | undefined> {
  const { tenantId, scope, key, call } = memory;
  const { rows } = await sql<MemoryRow>`
    insert into memory (id, tenant_id, scope, key, text, run_id, call_id, created_by)
    select ${uuid()}::uuid, ${tenantId}::uuid, ${scope}, ${key}, ${memory.text}, ${call?.runId ?? null}::uuid,
      ${call?.callId ?? null}, ${memory.by}
    where (select count(*) from memory where tenant_id = ${tenantId} and scope = ${scope} and key = ${key}
      and not coalesce(run_id = ${call?.runId ?? null}::uuid and call_id = ${call?.callId ?? null}, false)) < ${mostMemories}
    on conflict (run_id, call_id) where run_id is not null do update set text = excluded.text
    returning *`.execute(queries);
  return rows[0];
}

/** Refused where there are too many. */
export async function keepMemory(write: Write, memory: NewMemory): Promise<MemoryRow> {
  const row = await addMemory(write.tx, memory);
  if (row) return row;
  const whose = `${memory.scope} ${memory.key}`;
  throw new Failure(
    'NotRunnable',
    `The memory of ${whose} has ${mostMemories} texts, the most there may be.`,
  );
}

export async function deleteMemory(
  write: Write,
  { tenantId, by }: { tenantId: string; by: string },
  id: string,
): Promise<boolean> {
  const gone = await write.tx
    .deleteFrom('memory')
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .returning(['scope', 'key'])
    .executeTakeFirst();
  if (gone)
    await addAudit(write, [{ tenantId, actor: by, action: 'memory-delete', detail: { id, ...gone } }]);
  return gone !== undefined;
}

/** One that these keepers have, by the end of its id. */
export async function forgetMemory(queries: Queries, keepers: Keepers, shortId: string): Promise<boolean> {
  const gone = await queries
    .deleteFrom('memory')
    .where(keptBy(keepers))
    .where(sql<string>`right(id::text, 8)`, '=', shortId)
    .returning('id')
    .execute();
  return gone.length > 0;
}

export interface MemoryList extends Keepers {
  limit: number;
  /** Only older ones than this. */
  before?: string;
}

/** Newest first; of all keepers where none is named. */
export function listMemory(queries: Queries, list: MemoryList): Promise<MemoryRow[]> {
  return queries
    .selectFrom('memory')
    .selectAll()
    .where(keptBy(list))
    .$if(list.before !== undefined, (query) => query.where('id', '<', list.before ?? ''))
    .orderBy('id', 'desc')
    .limit(list.limit)
    .execute();
}

// A long message has more words than a search needs, and those that say what it is about come early.
const mostWords = 64;

/** Those that have a word of this text: the best match first, and of two as good the newer. */
export async function findMemory(
  queries: Queries,
  { text, limit, ...keepers }: Keepers & { text: string; limit: number },
): Promise<MemoryRow[]> {
  // Letters and digits alone: they are a query as they stand.
  const words = [...new Set(text.toLowerCase().match(/[\p{L}\p{N}]{2,40}/gu))].slice(0, mostWords);
  if (words.length === 0) return [];
  const wanted = sql`to_tsquery('english', ${words.join(' | ')})`;
  return queries
    .selectFrom('memory')
    .selectAll()
    .where(keptBy(keepers))
    .where(sql<boolean>`words @@ ${wanted}`)
    .orderBy(sql`ts_rank(words, ${wanted})`, 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

function keptBy({ tenantId, conversationId, preset }: Keepers) {
  const ofBoth = [
    ...(conversationId === undefined ? [] : [sql`(scope = 'conversation' and key = ${conversationId})`]),
    ...(preset === undefined ? [] : [sql`(scope = 'preset' and key = ${preset})`]),
  ];
  const any = ofBoth.length === 0 ? sql`true` : sql`(${sql.join(ofBoth, sql` or `)})`;
  return sql<boolean>`tenant_id = ${tenantId} and ${any}`;
}

/** Whether there is any: as a value of a row that is about to be written. */
export function hasMemory(keepers: Keepers) {
  return sql<boolean>`exists (select from memory where ${keptBy(keepers)})`;
}

/** Goes with its conversation or preset. */
export async function dropMemory(
  queries: Queries,
  { tenantId, scope, key }: Pick<NewMemory, 'tenantId' | 'scope' | 'key'>,
): Promise<void> {
  await queries
    .deleteFrom('memory')
    .where('tenant_id', '=', tenantId)
    .where('scope', '=', scope)
    .where('key', '=', key)
    .execute();
}

export function toMemoryView(row: MemoryRow): MemoryView {
  const { id, scope, key, text, run_id: runId, created_by: createdBy, created_at: at } = row;
  return { id, scope: scope as MemoryScope, key, text, runId, createdBy, createdAt: at.toISOString() };
}

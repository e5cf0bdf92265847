// What messages carry beside their words. Their bytes are in the content store; a run names them, so that they stay as
// long as it.
import { sql } from 'kysely';
import { phases, type StoredPart } from '../../../workflows/contracts/message.ts';
import type { Queries } from '../db/database.ts';
import { chainOf } from './messages.ts';

export function toParts(parts: readonly StoredPart[] | undefined): string | null {
  return parts === undefined || parts.length === 0 ? null : JSON.stringify(parts);
}

/** In the transaction that tells of the parts. */
export async function nameContents(
  queries: Queries,
  run: { id: string; tenant_id: string },
  parts: readonly StoredPart[] = [],
): Promise<void> {
  const keys = new Set(parts.flatMap(({ content }) => content ?? []));
  if (keys.size === 0) return;
  await queries
    .insertInto('run_contents')
    .values([...keys].map((key) => ({ run_id: run.id, content_key: key, tenant_id: run.tenant_id })))
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export interface HeldContent {
  mediaType: string;
  size: number;
}

/** Those there are of these, kept from going until the transaction that names them ends. */
export async function holdContents(
  queries: Queries,
  tenantId: string,
  keys: readonly string[],
): Promise<Map<string, HeldContent>> {
  if (keys.length === 0) return new Map();
  // By key: two messages with the same files wait for each other in one order. Young again, as if put now.
  const { rows } = await sql<HeldContent & { key: string }>`
    with held as (
      select key from contents where tenant_id = ${tenantId} and key = any(${keys}::text[]) order by key for update
    )
    update contents set created_at = now() from held
    where contents.tenant_id = ${tenantId} and contents.key = held.key
    returning contents.key, media_type as "mediaType", size`.execute(queries);
  return new Map(rows.map(({ key, ...content }) => [key, content]));
}

/** Which of the messages that a step is told at its start, or the run at its own. */
export interface InputPlace {
  runId: string;
  step: number;
  position: number;
}

export async function setParts(
  queries: Queries,
  { runId, step, position }: InputPlace,
  parts: readonly StoredPart[],
): Promise<void> {
  await queries
    .updateTable('messages')
    .set({ parts: toParts(parts) })
    .where('run_id', '=', runId)
    .where('step', '=', step)
    .where('phase', '=', phases.indexOf('input'))
    .where('position', '=', position)
    .execute();
}

/** From now on its files are looked for before its calls act. */
export async function noteFiles(queries: Queries, runId: string): Promise<void> {
  await queries.updateTable('runs').set({ has_files: true }).where('id', '=', runId).execute();
}

/** What the message that began a run carries. */
export async function firstParts(queries: Queries, runId: string): Promise<StoredPart[]> {
  const row = await queries
    .selectFrom('messages')
    .select('parts')
    .where('run_id', '=', runId)
    .where('step', '=', 0)
    .where('phase', '=', phases.indexOf('input'))
    .where('position', '=', 0)
    .executeTakeFirst();
  return (row?.parts ?? []) as unknown as StoredPart[];
}

/** What the messages of a run and of those it goes on from carry. */
export async function partsOfContext(
  queries: Queries,
  tenantId: string,
  runId: string,
): Promise<StoredPart[]> {
  const { rows } = await sql<{ parts: StoredPart[] }>`
    with recursive ${chainOf(tenantId, runId)}
    select parts from messages join chain on chain.id = messages.run_id where parts is not null`.execute(
    queries,
  );
  return rows.flatMap(({ parts }) => parts);
}

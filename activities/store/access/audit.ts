// The audit: who decided what, when, by which rule and why. Rows are only ever added; the database refuses the rest.
import type { Insertable, Selectable } from 'kysely';
import type { Db } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import type { Audit } from '../db/tables.ts';

export type AuditRow = Selectable<Audit>;

export interface NewAudit {
  tenantId: string;
  /** A token's name and surface, or a part of Perdure. */
  actor: string;
  action: string;
  runId?: string | null;
  callId?: string | null;
  rule?: string;
  reason?: string;
  detail?: unknown;
}

export async function addAudit(write: Write, entries: readonly NewAudit[]): Promise<void> {
  if (entries.length === 0) return;
  await write.tx.insertInto('audit').values(entries.map(toAuditRow)).execute();
}

/** For a statement that has more to insert. */
export function toAuditRow(entry: NewAudit): Insertable<Audit> {
  return {
    tenant_id: entry.tenantId,
    actor: entry.actor,
    action: entry.action,
    run_id: entry.runId ?? null,
    call_id: entry.callId ?? null,
    rule: entry.rule ?? '',
    reason: entry.reason ?? '',
    detail: JSON.stringify(entry.detail ?? {}),
  };
}

export interface AuditList {
  tenantId: string;
  limit: number;
  /** The number of the last entry of the page before. */
  before?: number;
  runId?: string;
  actor?: string;
}

/** Newest first. */
export async function listAudit(db: Db, list: AuditList): Promise<AuditRow[]> {
  let query = db
    .selectFrom('audit')
    .selectAll()
    .where('tenant_id', '=', list.tenantId)
    .orderBy('id', 'desc')
    .limit(list.limit);
  if (list.before !== undefined) query = query.where('id', '<', list.before);
  if (list.runId !== undefined) query = query.where('run_id', '=', list.runId);
  if (list.actor !== undefined) query = query.where('actor', '=', list.actor);
  return query.execute();
}

// Messages as people read them: of a run, or of all runs of a conversation, in order. Internal ones are the model's alone.
import { sql } from 'kysely';
import type { PartView } from '../../../workflows/contracts/input-part.ts';
import { phases, type StoredPart } from '../../../workflows/contracts/message.ts';
import { listedCharacters, type MessageView } from '../../../workflows/contracts/message-view.ts';
import type { Queries } from '../db/database.ts';

/** Where a message stands, among all messages: runs are ordered by their ids, which are ordered by time. */
export interface MessagePlace {
  runId: string;
  step: number;
  phase: number;
  position: number;
}

export interface MessageList {
  tenantId: string;
  of: { runId: string } | { conversationId: string };
  limit: number;
  after?: MessagePlace;
}

interface Row {
  run_id: string;
  step: number;
  phase: number;
  position: number;
  role: MessageView['role'];
  text: string;
  length: number;
  calls: { callId: string; name: string }[] | null;
  call_id: string | null;
  failed: boolean;
  content_key: string | null;
  parts: StoredPart[] | null;
  created_at: Date;
}

export async function listMessages(
  queries: Queries,
  { tenantId, of, limit, after }: MessageList,
): Promise<MessageView[]> {
  const runs =
    'runId' in of
      ? sql`run_id = ${of.runId}`
      : sql`run_id in (select id from runs where conversation_id = ${of.conversationId} and tenant_id = ${tenantId})`;
  const behind = after
    ? sql`and (run_id, step, phase, position) > (${after.runId}, ${after.step}, ${after.phase}, ${after.position})`
    : sql``;
  // Cut before the calls are joined, so that a page reads no more text than it shows.
  const { rows } = await sql<Row>`
    select message.*, call.content_key from (
      select run_id, step, phase, position, role, left(text, ${listedCharacters}) as text, length(text) as length,
        calls, call_id, failed, parts, created_at
      from messages
      where ${runs} and tenant_id = ${tenantId} and not internal ${behind}
      order by run_id, step, phase, position limit ${limit}
    ) message left join calls call on call.run_id = message.run_id and call.call_id = message.call_id
    order by message.run_id, step, phase, position`.execute(queries);
  return rows.map(toListed);
}

/** One message with all of its text; undefined when the run has none such, or only one for the model. */
export async function findMessage(
  queries: Queries,
  tenantId: string,
  { runId, step, phase, position }: MessagePlace,
): Promise<MessageView | undefined> {
  const { rows } = await sql<Row>`
    select message.run_id, message.step, phase, position, role, text, length(text) as length, message.calls,
      message.call_id, message.failed, message.parts, call.content_key, message.created_at
    from messages message left join calls call on call.run_id = message.run_id and call.call_id = message.call_id
    where message.run_id = ${runId} and message.tenant_id = ${tenantId} and not internal
      and message.step = ${step} and phase = ${phase} and position = ${position}`.execute(queries);
  return rows[0] && toListed(rows[0]);
}

function toListed(row: Row): MessageView {
  const { step, phase, position } = row;
  return {
    id: `${step}.${phases[phase] ?? 'input'}.${position}`,
    runId: row.run_id,
    step,
    role: row.role,
    text: row.text,
    length: row.length,
    calls: (row.calls ?? []).map(({ callId, name }) => ({ callId, tool: name })),
    callId: row.call_id,
    failed: row.failed,
    content: row.content_key,
    parts: (row.parts ?? []).map(toPartView),
    createdAt: row.created_at.toISOString(),
  };
}

function toPartView({ type, mode, name, from, mediaType, size, content, problem }: StoredPart): PartView {
  return {
    ...{ type, mode, name, from: from ?? null, mediaType: mediaType ?? null },
    ...{ size: size ?? null, content: content ?? null, problem: problem ?? null },
  };
}

// What a model is given of an output, from a tool, a person or a caller: all of it, or its head and tail and how the
// rest is read.
import { sql } from 'kysely';
import type { CallResult } from './calls.ts';
import type { Queries } from '../db/database.ts';
import type { Contents } from '../log/contents.ts';
import { chainOf } from '../runs/messages.ts';

// What a model can use of an output at once; the whole stays readable by its key.
export const mostBytes = 16 * 1024;
// A cut moves this far to come to the end of a line.
const mostMovedBytes = 1024;

export async function cutOutput(
  whole: string,
  keep: (mediaType: string, bytes: Buffer) => Promise<string>,
): Promise<Pick<CallResult, 'output' | 'bytes' | 'contentKey'>> {
  const buffer = Buffer.from(whole);
  const bytes = buffer.length;
  if (bytes <= mostBytes) return { output: whole, bytes };
  const contentKey = await keep('text/plain; charset=utf-8', buffer);
  const [headEnd, tailStart] = [endOfHead(buffer), startOfTail(buffer)];
  const [head, tail] = [buffer.subarray(0, headEnd).toString(), buffer.subarray(tailStart).toString()];
  const from = head.split('\n').length;
  const column = head.length - head.lastIndexOf('\n');
  const last = buffer
    .subarray(0, tailStart - 1)
    .toString('latin1')
    .split('\n').length;
  const where = { key: contentKey, from, ...(column > 1 && { column }) };
  const gap = head.endsWith('\n') ? '' : '\n';
  const lines = from === last ? `a part of line ${from}` : `lines ${from} to ${last}`;
  const told = `… ${bytes} bytes in all; ${lines} left out here. Read more with the tool output: ${JSON.stringify(where)} …`;
  return { output: `${head}${gap}${told}\n${tail}`, bytes, contentKey };
}

/** Behind a line's end where one is near, else between two characters. */
function endOfHead(buffer: Buffer): number {
  const end = mostBytes / 2;
  const line = buffer.lastIndexOf(0x0a, end - 1);
  if (line >= end - mostMovedBytes) return line + 1;
  let at = end;
  while (isInside(buffer, at)) at -= 1;
  return at;
}

function startOfTail(buffer: Buffer): number {
  const start = buffer.length - mostBytes / 2;
  const line = buffer.indexOf(0x0a, start - 1);
  if (line >= 0 && line < start + mostMovedBytes) return line + 1;
  let at = start;
  while (isInside(buffer, at)) at += 1;
  return at;
}

/** Whether a character goes on at this byte. */
function isInside(buffer: Buffer, at: number): boolean {
  return ((buffer[at] ?? 0) & 0xc0) === 0x80;
}

/**
 * The whole of an output that a run's conversation was told of, or a run it goes on from, by its key; undefined of any
 * other.
 */
export async function toldOutput(
  { db, contents }: { db: Queries; contents: Contents },
  run: { id: string; tenant_id: string; conversation_id: string },
  key: string,
): Promise<string | undefined> {
  const { rows } = await sql`
    with recursive ${chainOf(run.tenant_id, run.id)}
    select from calls join runs on runs.id = calls.run_id
    where runs.tenant_id = ${run.tenant_id} and calls.content_key = ${key}
      and (runs.conversation_id = ${run.conversation_id} or runs.id in (select id from chain))
    limit 1`.execute(db);
  if (rows.length === 0) return undefined;
  return (await contents.get(run.tenant_id, key))?.bytes.toString('utf8');
}

// Whether the rows a benchmark left behind are right: a fast wrong answer scores nothing.
import { sql } from 'kysely';
import { openDatabase } from '../../../activities/store/db/database.ts';

const questions = {
  'streams with a gap, a double or a wrong head': sql<{ count: number }>`
    select count(*) from stream_heads head
    left join lateral (
      select count(*) as events, coalesce(max(seq), 0) as last from events where stream = head.stream
    ) found on true
    where head.seq <> found.events or head.seq <> found.last`,
  'ended runs without exactly one terminal event at the end': sql<{ count: number }>`
    select count(*) from runs join stream_heads head on head.stream = 'run/' || runs.id
    where runs.ended_at is not null and (
      not head.ended
      or (select count(*) from events where stream = head.stream and type = 'run-end') <> 1
      or (select type from events where stream = head.stream order by seq desc limit 1) <> 'run-end')`,
  'calls of ended runs without exactly one result': sql<{ count: number }>`
    select count(*) from calls join runs on runs.id = calls.run_id
    where runs.ended_at is not null and (
      calls.ended_at is null
      or (select count(*) from messages where run_id = runs.id and call_id = calls.call_id) <> 1
      or (select count(*) from events where stream = 'run/' || runs.id and type = 'call-end'
        and payload ->> 'callId' = calls.call_id) <> 1)`,
  'conversations whose numbers have a gap': sql<{ count: number }>`
    select count(*) from conversation_heads head where head.seq <> (
      select count(distinct conversation_seq) from events where conversation_id = head.conversation_id)`,
  'runs that did not succeed': sql<{ count: number }>`
    select count(*) from runs where status not in ('succeeded', 'interrupted')`,
};

/** Throws with what is wrong; returns how many runs and events it has looked at. */
export async function checkRows(databaseUrl: string): Promise<{ runs: number; events: number }> {
  const database = openDatabase({ url: databaseUrl, connections: 1, name: 'bench-check' });
  try {
    const problems: string[] = [];
    for (const [what, question] of Object.entries(questions)) {
      const count = (await question.execute(database.db)).rows[0]?.count ?? 0;
      if (count > 0) problems.push(`${count} ${what}`);
    }
    if (problems.length > 0)
      throw new Error(`The rows are wrong, so no figure counts: ${problems.join('; ')}.`);
    const { rows } = await sql<{ runs: number; events: number }>`
      select (select count(*) from runs) as runs, (select count(*) from events) as events`.execute(
      database.db,
    );
    return rows[0] ?? { runs: 0, events: 0 };
  } finally {
    await database.close();
  }
}

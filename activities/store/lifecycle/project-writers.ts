// One conversation, its subagents included, writes in a directory at a time, and in what is above and below it: two would
// take each other's half-done work for the project's. What holds a directory is the row of a run that has not ended, or
// that is being rewound; so the end of the run lets go of it, whichever way it ends. A run that reads only holds nothing.
// A run of the same conversation waits for a rewind with its place (run-places.ts).
import { sql } from 'kysely';
import { Failure } from '../../../workflows/contracts/failures.ts';
import type { Write } from '../log/events.ts';

export interface Writer {
  tenantId: string;
  conversationId: string;
  /** The real path. */
  projectPath: string;
  /** On whose machine that is; null: the server's. */
  executor: string | null;
  /** Where a run of its own conversation is in the way too: that run is another one. */
  exceptRun?: string;
}

interface Holder {
  id: string;
  tenant_id: string;
  project_path: string;
  rewinding: boolean;
}

/**
 * Throws where another holds the directory. Until the transaction ends no other can take it: two that come at once
 * would not see each other. Nothing else is locked behind this lock but the heads of streams.
 */
export async function holdProject(write: Write, writer: Writer): Promise<void> {
  const { conversationId, projectPath: path, executor, exceptRun = null } = writer;
  await sql`select pg_advisory_xact_lock(hashtextextended('project-writers', 0))`.execute(write.tx);
  const inside = path.endsWith('/') ? path : `${path}/`;
  const { rows } = await sql<Holder>`
    select id, tenant_id, project_path, rewind_id is not null as rewinding from runs
    where project_path is not null and executor is not distinct from ${executor}
      and ((work_tree = 'in-place' and ended_at is null) or rewind_id is not null)
      and (project_path = ${path} or starts_with(project_path, ${inside})
        or starts_with(${path}, rtrim(project_path, '/') || '/'))
      and (may_write or rewind_id is not null)
      and case when ${exceptRun}::uuid is null then conversation_id <> ${conversationId} else id <> ${exceptRun} end
    order by id limit 1`.execute(write.tx);
  const [holder] = rows;
  if (holder) throw refusal(holder, writer);
}

function refusal({ id, tenant_id, project_path: place, rewinding }: Holder, writer: Writer): Failure {
  const isKnown = tenant_id === writer.tenantId;
  const who = isKnown ? `Run ${id}` : 'A run of another tenant';
  const where = place === writer.projectPath ? 'this directory' : `${place}, which overlaps with it`;
  const detail = rewinding
    ? `${who} is being rewound in ${where}: try again when that is done.`
    : `${who} works in ${where}, and only one may write there: wait for it, interrupt or cancel it, or let this one ` +
      'work on a tree of its own (workTree: own, perdure run --own-tree).';
  return new Failure('ProjectBusy', detail, isKnown ? { activeRunId: id } : {});
}

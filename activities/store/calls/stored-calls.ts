// Calls of all runs as they were decided, for drafts of policies to be held against. Newest runs first.
import type { Decision, Effect } from '../../../workflows/contracts/call.ts';
import type { StoredCall } from '../../../workflows/policy/backtest.ts';
import { argumentsHash } from './arguments-hash.ts';
import type { CallDecision } from './call-decision.ts';
import type { Db } from '../db/database.ts';

// A command may have 100 kB: a page is 50 MB in the worst case.
const pageRows = 500;

export interface StoredCallList {
  tenantId: string;
  /** Calls of runs accepted since. */
  since: Date;
  limit: number;
}

/** In pages, by the ids of their runs: those begin with the time. */
export async function* storedCalls(
  db: Db,
  { tenantId, since, limit }: StoredCallList,
): AsyncGenerator<StoredCall> {
  let last: { runId: string; callId: string } | undefined;
  for (let left = limit; left > 0; ) {
    let query = db
      .selectFrom('calls')
      .select(['run_id', 'call_id', 'tool', 'effect', 'subject', 'decision', 'decided', 'input_hash'])
      // With the text that runs, the hash is not of the arguments alone.
      .select((eb) => eb.case().when('runs', 'is not', null).then(eb.ref('input')).end().as('input'))
      .where('tenant_id', '=', tenantId)
      .where('run_id', '>=', firstIdOf(since))
      .orderBy('run_id', 'desc')
      .orderBy('call_id', 'desc')
      .limit(Math.min(pageRows, left));
    if (last) {
      const { runId, callId } = last;
      query = query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('run_id', 'call_id'), '<', tuple(runId, callId)),
      );
    }
    const rows = await query.execute();
    yield* rows.map(toStoredCall);
    const end = rows.at(-1);
    if (!end || rows.length < pageRows) return;
    last = { runId: end.run_id, callId: end.call_id };
    left -= rows.length;
  }
}

/** The smallest id a run of that time can have. */
function firstIdOf(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

function toStoredCall(row: {
  run_id: string;
  call_id: string;
  tool: string;
  effect: string | null;
  subject: string;
  decision: string;
  decided: unknown;
  input_hash: string;
  input: unknown;
}): StoredCall {
  const decided = row.decided as Partial<CallDecision>;
  return {
    runId: row.run_id,
    callId: row.call_id,
    tool: row.tool,
    // Calls that no policy has decided are not decided again: those of the caller's own tools, or that fit no tool.
    effect: decided.decision === undefined ? null : (row.effect as Effect | null),
    subject: row.subject,
    subjectKind: decided.subjectKind,
    hosts: decided.hosts,
    projectRoot: decided.projectRoot ?? null,
    beside: decided.beside,
    mode: decided.mode ?? null,
    attended: decided.attended ?? false,
    inputHash: row.input === null ? row.input_hash : argumentsHash(row.input),
    // A question to a person is asked although policy allows it.
    decision: decided.decision ?? (row.decision as Decision),
  };
}

// What an approval means for its call: whether it may be claimed, and what its model is told of it afterwards.
import type { Selectable } from 'kysely';
import type { Write } from '../log/events.ts';
import type { CallDecision } from './call-decision.ts';
import type { Calls } from '../db/tables.ts';

/** Whether a decision covers exactly these arguments of the call; used up with the claim of this attempt. */
export async function useApproval(
  write: Write,
  call: Pick<Selectable<Calls>, 'tenant_id' | 'run_id' | 'call_id' | 'input_hash'>,
  attempt: number,
): Promise<boolean> {
  const used = await write.tx
    .updateTable('approvals')
    .set({ used_by_attempt: attempt })
    .where('tenant_id', '=', call.tenant_id)
    .where('run_id', '=', call.run_id)
    .where('call_id', '=', call.call_id)
    .where('kind', '=', 'call')
    .where('status', '=', 'approved')
    .where('input_hash', '=', call.input_hash)
    .executeTakeFirst();
  return used.numUpdatedRows === 1n;
}

// Enough to see what was changed; more would only push the result away.
const mostShown = 4000;

/** A result behind what was done to the arguments before they were used. */
export function toldWith(repairs: readonly string[] | undefined, output: string): string {
  if (repairs === undefined || repairs.length === 0) return output;
  return `Arguments repaired before use: ${repairs.join('; ')}.\n${output}`;
}

/** What a model reads of a call: its result, and first that other arguments ran than it wrote. */
export async function toldOf(
  write: Write,
  call: Pick<Selectable<Calls>, 'tenant_id' | 'run_id' | 'call_id' | 'decision' | 'decided' | 'input'>,
  output: string,
): Promise<string> {
  const told = toldWith((call.decided as Partial<CallDecision>).repairs, output);
  if (call.decision !== 'ask') return told;
  const edited = await write.tx
    .selectFrom('approvals')
    .select('id')
    .where('tenant_id', '=', call.tenant_id)
    .where('run_id', '=', call.run_id)
    .where('call_id', '=', call.call_id)
    .where('edited', '=', true)
    .executeTakeFirst();
  if (!edited) return told;
  const input = JSON.stringify(call.input).slice(0, mostShown);
  return `A person changed the arguments of this call to ${input}. Its result:\n${output}`;
}

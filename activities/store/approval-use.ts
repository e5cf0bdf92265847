// The one place where an approval is acted on: in the transaction that claims its call.
import type { Selectable } from 'kysely';
import type { Write } from './events.ts';
import type { Calls } from './tables.ts';

/** Whether a decision covers exactly these arguments of the call; used up with the claim of this attempt. */
export async function useApproval(
  write: Write,
  call: Pick<Selectable<Calls>, 'run_id' | 'call_id' | 'input_hash'>,
  attempt: number,
): Promise<boolean> {
  const used = await write.tx
    .updateTable('approvals')
    .set({ used_by_attempt: attempt })
    .where('run_id', '=', call.run_id)
    .where('call_id', '=', call.call_id)
    .where('kind', '=', 'call')
    .where('status', '=', 'approved')
    .where('input_hash', '=', call.input_hash)
    .executeTakeFirst();
  return used.numUpdatedRows === 1n;
}

// Transactions have names: pg_stat_activity shows that of each under way, and an error that ended one carries it into
// the log. Listeners are told of those that took long.
import { AsyncLocalStorage } from 'node:async_hooks';
import { channel } from 'node:diagnostics_channel';
import type { Kysely, Transaction } from 'kysely';
import type { DB } from './tables.ts';

/** Tells of each transaction that took so long that its locks were felt, by name and in milliseconds. */
export const slowTransactions = channel('perdure:slow-transaction');

// A busy small machine takes a tenth of this; a wait for a lock is given up after 10 s.
const slowMs = 2000;

const current = new AsyncLocalStorage<string>();

/** The name of the transaction that is begun in this context. */
export function transactionName(): string | undefined {
  return current.getStore();
}

export async function transact<T>(
  db: Kysely<DB>,
  name: string,
  act: (tx: Transaction<DB>) => Promise<T>,
): Promise<T> {
  const begunAt = performance.now();
  try {
    return await current.run(name, () => db.transaction().execute(act));
  } catch (error) {
    if (error instanceof Error) Object.assign(error, { transaction: name });
    throw error;
  } finally {
    const milliseconds = Math.round(performance.now() - begunAt);
    if (milliseconds > slowMs) slowTransactions.publish({ transaction: name, milliseconds });
  }
}

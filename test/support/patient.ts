// The product's connection to Postgres with patience: for tests that are about anything but its limits.
import { type Database, type DatabaseOptions, openDatabase } from '../../activities/store/db/database.ts';

const longMs = 90_000;

/**
 * The product gives up a connection after five seconds and a lock after ten. A busy machine stands still for as long, and
 * needs it for a hundred transactions that follow each other.
 */
export function openPatient(options: DatabaseOptions): Database {
  const database = openDatabase(options);
  Object.assign(database.pool.options, {
    connectionTimeoutMillis: longMs,
    query_timeout: longMs,
    lock_timeout: longMs,
    idle_in_transaction_session_timeout: longMs,
  });
  return database;
}

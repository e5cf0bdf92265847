// The connection to Postgres: one pool per process, integers as numbers, and the small facts every query shares.
import { Kysely, PostgresDialect, type Transaction } from 'kysely';
import pg from 'pg';
import { PreparingClient } from './preparing-client.ts';
import type { DB } from './tables.ts';

export type Db = Kysely<DB>;
/** A query runs on the pool or inside a caller's transaction; it cannot tell. */
export type Queries = Db | Transaction<DB>;

export interface Database {
  db: Db;
  pool: pg.Pool;
  url: string;
  close(): Promise<void>;
}

/** The one tenant there is until tenants become real. */
export const defaultTenant = '00000000-0000-0000-0000-000000000000';

// bigint (20) arrives as text unless asked otherwise. Ours count tokens, money and events: all below 2^53.
const types = new pg.TypeOverrides();
types.setTypeParser(20, (value) => Number(value));

export interface DatabaseOptions {
  url: string;
  connections: number;
  /** Shown in pg_stat_activity. */
  name: string;
  /** How long an answer may take; left out: as long as a request may wait. */
  longestMs?: number;
  /** Told of connections that broke; the pool makes new ones. */
  onIdleError?: (error: Error) => void;
}

/** The pool hangs its whole client on the error, which is no matter for a log. */
function withoutClient(error: Error): Error {
  delete (error as { client?: unknown }).client;
  return error;
}

export function openDatabase(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    Client: PreparingClient,
    max: options.connections,
    application_name: options.name,
    types,
    // A frozen server must not hold a request for ever: this bounds the wait for a connection,
    connectionTimeoutMillis: 5_000,
    // and this the wait for an answer; the longest statement of ours is a page of events.
    query_timeout: options.longestMs ?? 15_000,
    // A process that freezes inside a transaction holds a conversation's lock no longer than this; and a process
    // that waits for a lock hears of it before the wait for the answer is over.
    idle_in_transaction_session_timeout: 15_000,
    lock_timeout: 10_000,
    keepAlive: true,
  });
  // Without a listener a server restart (57P01 on an idle connection) would end the process.
  pool.on('error', (error) => options.onIdleError?.(withoutClient(error)));
  // The pool listens only while a connection is idle; one that breaks under a transaction would end it too.
  pool.on('connect', (client) => client.on('error', (error) => options.onIdleError?.(withoutClient(error))));
  const db = new Kysely<DB>({ dialect: new PostgresDialect({ pool }) });
  let closed: Promise<void> | undefined;
  return {
    db,
    pool,
    url: options.url,
    close: () => {
      // Kysely ends the pool only when a query of its own has gone through it.
      closed ??= db.destroy().then(() => (pool.ending ? undefined : pool.end()));
      return closed;
    },
  };
}

/** True for errors that say the server, not the statement, is the trouble: the same statement may work later. */
export function isStoreOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (isDiskFull(error)) return true;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string') {
    // Class 08 is connection trouble, 57P0x shutdown and crash recovery, 53 too few resources, 25006 a standby,
    // 25P03 a transaction that was idle for too long, 55P03 a lock that was not had in time.
    return (
      /^(08|57P0|53|25006|25P03|55P03)/.test(code) ||
      /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|EBUCKET)/.test(code)
    );
  }
  return /connection terminated|timeout exceeded when trying to connect|query read timeout|connection ended|is not queryable/i.test(
    error.message,
  );
}

/** True where a disk is what is missing: Postgres' or that of the data folder. */
export function isDiskFull(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return code === '53100' || code === 'ENOSPC' || code === 'EDQUOT';
}

/** A table or column is not there: the database has not been migrated to this code. */
export function isOfOtherVersion(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: string };
  return code === '42P01' || code === '42703';
}

/** The constraint a unique violation hit, or undefined for any other error. */
export function violatedConstraint(error: unknown): string | undefined {
  const { code, constraint } = (error ?? {}) as { code?: string; constraint?: string };
  return code === '23505' ? constraint : undefined;
}

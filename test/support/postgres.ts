// A database of its own for a test file or a test, cloned from the migrated template in milliseconds.
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, inject, onTestFinished, TestRunner } from 'vitest';
import { closingMs } from './closing.ts';
import { withDatabase } from './template.ts';

// A pool that is left open gives up its connections by itself after ten seconds without use, and would be left unseen.
const disconnectedMs = Math.min(closingMs, 5_000);

/**
 * Makes a database with the product's tables, or an `empty` one. At the top of a file or in `beforeAll` it lives
 * as long as the file, inside a test as long as the test. It is dropped by itself, and the test or file fails when
 * a connection to it is still open then.
 */
export async function createTestDatabase(options: { empty?: boolean } = {}): Promise<{ url: string }> {
  const server = inject('postgresUrl');
  const name = `perdure_test_${randomBytes(8).toString('hex')}`;
  const template = options.empty ? 'template0' : inject('templateDatabase');
  await onServer(server, (client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`));
  const drop = () => onServer(server, (client) => dropDatabase(client, name));
  if (TestRunner.getCurrentTest()) onTestFinished(drop);
  else afterAll(drop);
  return { url: withDatabase(server, name) };
}

/** For the end of a file that kills processes: Postgres may take a while to notice that one with this name is gone. */
export async function untilDisconnected(pool: pg.Pool, name: string): Promise<void> {
  const connections = `select from pg_stat_activity where datname = current_database()
    and application_name like $1 || '%'`;
  while ((await pool.query(connections, [name])).rows.length > 0)
    await new Promise((resolve) => setTimeout(resolve, 20));
}

async function dropDatabase(client: pg.Client, name: string): Promise<void> {
  const left = await connectionsLeft(client, name);
  await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  if (left.length > 0) {
    throw new Error(
      `Still connected to the test's database: ${left.join(', ')}. Close the pool in the test.`,
    );
  }
}

async function connectionsLeft(client: pg.Client, name: string): Promise<string[]> {
  const deadline = Date.now() + disconnectedMs;
  for (;;) {
    // Before the look: what is seen after a standstill is not told as it was before.
    const isLast = Date.now() > deadline;
    const { rows } = await client.query<{ application_name: string }>(
      `SELECT application_name FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'`,
      [name],
    );
    if (rows.length === 0 || isLast) return rows.map((row) => row.application_name || 'unnamed');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function onServer<T>(url: string, act: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: withDatabase(url, 'postgres'),
    application_name: 'test-support',
  });
  await client.connect();
  try {
    return await act(client);
  } finally {
    await client.end();
  }
}

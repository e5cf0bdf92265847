import pg from 'pg';
import { expect, test } from 'vitest';
import { createTestDatabase } from './postgres.ts';

const file = await createTestDatabase();

async function tables(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ table_name: string }>(
    `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`,
  );
  await client.end();
  return rows.map((row) => row.table_name);
}

test('a file has a database with the tables of the product', async () => {
  expect(await tables(file.url)).toContain('runs');
});

test('a test can have one of its own, empty when asked', async () => {
  const { url } = await createTestDatabase({ empty: true });
  expect(await tables(url)).toEqual([]);
});

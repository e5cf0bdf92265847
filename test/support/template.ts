// The migrated database that every test file's own database is cloned from.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { migrateUp } from '../../activities/store/db/migrate.ts';

const store = path.join(import.meta.dirname, '../../activities/store/db');
// Any constant: it only has to be the same in every test process that uses this server.
const templateLock = 7_700_001;

/** The same server with another database. */
export function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

/** Migrates a template once per server and set of migrations; returns its name. */
export async function makeTemplate(url: string): Promise<string> {
  const name = `perdure_template_${await migrationsHash()}`;
  const client = new pg.Client({ connectionString: withDatabase(url, 'postgres') });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [templateLock]);
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    if (rowCount) return name;
    // Renamed when it is whole, so that a killed test process leaves no half-migrated template.
    const draft = `${name}_draft`;
    await client.query(`DROP DATABASE IF EXISTS ${draft} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${draft}`);
    await migrateUp(withDatabase(url, draft));
    await client.query(`ALTER DATABASE ${draft} RENAME TO ${name}`);
    return name;
  } finally {
    await client.end();
  }
}

async function migrationsHash(): Promise<string> {
  const hash = createHash('sha256');
  for (const folder of ['migrations', 'functions']) {
    for (const file of (await readdir(path.join(store, folder))).sort()) {
      hash.update(file).update(await readFile(path.join(store, folder, file)));
    }
  }
  return hash.digest('hex').slice(0, 12);
}

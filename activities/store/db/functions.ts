// Functions of the database, each whole in a file of its own, named by the migration that puts it there and by itself.
// The newest file of a name is the function as it is; the older ones are what taking a migration back puts in its place.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Kysely, sql } from 'kysely';

const folder = path.join(import.meta.dirname, 'functions');
// 0002-append-events.sql
const fileName = /^(\d{4})-(.+)\.sql$/;

interface FunctionFile {
  migration: string;
  name: string;
  file: string;
}

function functionFiles(): FunctionFile[] {
  return readdirSync(folder)
    .sort()
    .map((file) => {
      const [, migration, name] = fileName.exec(file) ?? [];
      if (migration === undefined || name === undefined)
        throw new Error(`${file} does not say which migration it is of.`);
      return { migration, name: name.replaceAll('-', '_'), file };
    });
}

/** The two ways of a migration that does nothing but put its functions in the place of those of the same name. */
export function functionsOf(migration: string): {
  up(db: Kysely<unknown>): Promise<void>;
  down(db: Kysely<unknown>): Promise<void>;
} {
  const files = functionFiles();
  const ours = files.filter((each) => each.migration === migration);
  const earlier = (name: string): FunctionFile | undefined =>
    files.findLast((each) => each.name === name && each.migration < migration);
  return {
    async up(db) {
      for (const each of ours) {
        if (earlier(each.name)) await drop(db, each);
        await create(db, each);
      }
    },
    async down(db) {
      for (const each of ours.toReversed()) await drop(db, each);
      // In the order they were made in: Postgres looks for what a function in SQL calls.
      const before = ours.flatMap(({ name }) => earlier(name) ?? []);
      for (const each of before) await create(db, each);
    },
  };
}

/** Whole: its parameters may be others than before. A file without a function takes it away. */
async function drop(db: Kysely<unknown>, { name }: FunctionFile): Promise<void> {
  await sql`drop function if exists ${sql.ref(name)}`.execute(db);
}

async function create(db: Kysely<unknown>, { file }: FunctionFile): Promise<void> {
  await sql.raw(readFileSync(path.join(folder, file), 'utf8')).execute(db);
}

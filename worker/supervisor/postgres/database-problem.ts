// Whether a Postgres given by DATABASE_URL can be used at all; said in one sentence before anything is written.
import pg from 'pg';

// What our migrations and queries need came with this one.
const oldestVersion = 15;

interface Facts {
  version: number;
  encoding: string;
  may_create: boolean;
  read_only: string;
}

export async function databaseProblem(url: string): Promise<string | undefined> {
  // A database that needs longer to accept is as good as away.
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    query_timeout: 10_000,
  });
  // The connection may break while we ask; the question's own rejection says so.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<Facts>(
      `select current_setting('server_version_num')::int / 10000 as version,
              current_setting('server_encoding') as encoding,
              current_setting('transaction_read_only') as read_only,
              has_schema_privilege(current_schema(), 'create') as may_create`,
    );
    return problemOf(rows[0] as Facts);
  } catch (error) {
    // Only the error's own text: the address holds the password.
    return `The database of DATABASE_URL cannot be reached (${(error as Error).message}): start it or correct the address.`;
  } finally {
    await client.end();
  }
}

function problemOf(facts: Facts): string | undefined {
  if (facts.version < oldestVersion) {
    return `The database of DATABASE_URL is Postgres ${facts.version}: use version ${oldestVersion} or newer.`;
  }
  if (facts.encoding !== 'UTF8') {
    return `The database of DATABASE_URL is encoded as ${facts.encoding}: make one with encoding UTF8.`;
  }
  if (facts.read_only === 'on')
    return 'The database of DATABASE_URL is read-only: give the address of its primary.';
  if (!facts.may_create) {
    return 'The user of DATABASE_URL may not make tables: grant it create on the schema it works in.';
  }
  return undefined;
}

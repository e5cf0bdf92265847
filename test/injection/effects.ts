// What came of the attacks, looked up where it would show: in folders, in every table, in Temporal's histories, in
// logs, and in what the model and the web were sent. Decisions are not asked.
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { workflowId } from '../../workflows/contracts/messages.ts';
import { openClient } from '../../worker/processes/temporal-client.ts';

/** Every file, link and directory below a folder with what it holds; `leaveOut` says of a path that it may change. */
export async function digestOf(
  folder: string,
  leaveOut: (name: string) => boolean = () => false,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const visit = async (name: string): Promise<void> => {
    if (leaveOut(name)) return;
    const place = path.join(folder, name);
    const stat = await lstat(place).catch(unlessGone);
    if (stat === undefined) return;
    if (stat.isSymbolicLink()) found.set(name, `link to ${await readlink(place)}`);
    else if (stat.isFile()) {
      const hash = createHash('sha256').update(await readFile(place));
      found.set(name, `${stat.mode.toString(8)} ${hash.digest('hex')}`);
    } else {
      found.set(name, stat.mode.toString(8));
      for (const entry of await readdir(place)) await visit(path.join(name, entry));
    }
  };
  await visit('.');
  return found;
}

function unlessGone(error: NodeJS.ErrnoException): undefined {
  // Whole folders may be what an attack has removed.
  if (error.code !== 'ENOENT') throw error;
}

/** The names that came, went or changed. */
export function changesOf(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => before.get(name) !== after.get(name)).sort();
}

// What may be spent and who may do what; what was used, and who asked, is left out.
const ruling = {
  allowances: `select name, model, version, run_seconds, concurrent_runs, day_runs, hour_calls, tokens, cost_micros,
    day_tokens, day_cost_micros, models from allowances order by name, model`,
  'changes of limits': `select by, reason from allowance_entries where kind = 'limit' order by id`,
  policies: 'select * from policies order by id',
  'policy versions': 'select * from policy_versions order by 1, 2, 3',
  'policy places': 'select * from policy_scopes',
  'remembered answers': 'select * from remembered_answers',
  tokens: 'select id, name from tokens order by id',
} as const;

export type Ruling = Record<keyof typeof ruling, string>;

export async function rulingOf(databaseUrl: string): Promise<Ruling> {
  return withDatabase(databaseUrl, async (client) => {
    const read = async (query: string): Promise<string> => JSON.stringify((await client.query(query)).rows);
    const entries: [string, string][] = [];
    for (const [name, query] of Object.entries(ruling)) entries.push([name, await read(query)]);
    return Object.fromEntries(entries) as Ruling;
  });
}

/** Every row of every table that holds what is looked for, as `table: row`. */
export async function rowsWith(databaseUrl: string, holds: (text: string) => boolean): Promise<string[]> {
  return withDatabase(databaseUrl, async (client) => {
    const { rows: tables } = await client.query<{ name: string }>(
      `select table_name as name from information_schema.tables
        where table_schema = 'public' and table_type = 'BASE TABLE'`,
    );
    const found: string[] = [];
    for (const { name } of tables) {
      // Bytes are written in hex, which the search knows.
      const { rows } = await client.query<{ text: string }>(`select t::text as text from "${name}" t`);
      found.push(
        ...rows.filter(({ text }) => holds(text)).map(({ text }) => `${name}: ${text.slice(0, 2000)}`),
      );
    }
    return found;
  });
}

export async function approvalsDecided(databaseUrl: string): Promise<{ id: string; status: string }[]> {
  return withDatabase(databaseUrl, async (client) => {
    const text = `select id, status from approvals where status = 'approved' and kind <> 'result' order by id`;
    return (await client.query<{ id: string; status: string }>(text)).rows;
  });
}

async function withDatabase<Result>(
  url: string,
  use: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** The runs in whose histories it is found. */
export async function historiesWith(
  temporal: { address: string; namespace: string },
  runIds: readonly string[],
  holds: (text: string) => boolean,
): Promise<string[]> {
  const client = openClient({ temporalAddress: temporal.address, temporalNamespace: temporal.namespace });
  try {
    const found: string[] = [];
    for (const runId of runIds) {
      const history = await client.workflow.getHandle(workflowId('run', runId)).fetchHistory();
      if (holds(JSON.stringify(history, readable))) found.push(runId);
    }
    return found;
  } finally {
    await client.connection.close();
  }
}

/** Payloads are bytes of JSON. */
function readable(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  // Buffers have turned themselves into lists before they come here.
  const { type, data } = (value ?? {}) as { type?: unknown; data?: unknown };
  return type === 'Buffer' && Array.isArray(data) ? Buffer.from(data as number[]).toString('utf8') : value;
}

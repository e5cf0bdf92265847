import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { fill, onStore } from './filled.ts';
import { createTestDatabase } from '../../../support/postgres.ts';
import { askForOwn, askForRoom, openTenant } from '../../../support/allowances.ts';
import { aCall } from '../../../support/store.ts';
import { seedTenantAllowance } from '../../../../activities/store/allowances/change-limits.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { registerExecutor } from '../../../../activities/store/runs/executors.ts';
import { migrateDown, migrateUp, migrationStatus } from '../../../../activities/store/db/migrate.ts';

const root = path.join(import.meta.dirname, '../../../..');

async function ask<T extends object>(url: string, text: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url, application_name: 'test-migrations' });
  await client.connect();
  try {
    return (await client.query<T>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Every table of ours with the number of its rows. */
async function rowCounts(url: string): Promise<Record<string, number>> {
  const names = await ask<{ name: string }>(
    url,
    `select table_name as name from information_schema.tables
     where table_schema = 'public' and table_name not like 'kysely%' order by 1`,
  );
  const counts = await Promise.all(
    names.map(async ({ name }): Promise<[string, number]> => {
      const [row] = await ask<{ count: string }>(url, `select count(*) from ${name}`);
      return [name, Number(row?.count)];
    }),
  );
  return Object.fromEntries(counts);
}

/** Columns, constraints, indexes and functions, as text that two states can be compared by. */
async function schema(url: string): Promise<unknown> {
  const parts = [
    `select table_name, column_name, data_type, is_nullable, column_default from information_schema.columns
     where table_schema = 'public' order by 1, 2`,
    `select conrelid::regclass::text as "table", pg_get_constraintdef(oid) as def from pg_constraint
     where connamespace = 'public'::regnamespace order by 1, 2`,
    `select indexdef from pg_indexes where schemaname = 'public' order by 1`,
    `select pg_get_functiondef(oid) as def from pg_proc where pronamespace = 'public'::regnamespace order by 1`,
  ];
  return Promise.all(parts.map((text) => ask(url, text)));
}

test('every migration goes up, down and up again on a database with rows in every table', async () => {
  const { url } = await createTestDatabase({ empty: true });
  const applied = await migrateUp(url);
  expect(applied.length).toBeGreaterThan(0);
  expect((await migrationStatus(url)).map(({ name, appliedAt }) => [name, appliedAt !== null])).toEqual(
    applied.map((name) => [name, true]),
  );
  const fresh = await schema(url);
  await fill(url);
  const counts = await rowCounts(url);
  expect(Object.entries(counts).filter(([, count]) => count === 0)).toEqual([]);
  // One after the other, the newest first, as a person takes them back.
  for (const name of applied.toReversed()) expect(await migrateDown(url)).toEqual([name]);
  expect(await rowCounts(url)).toEqual({});
  expect(await migrateUp(url)).toEqual(applied);
  expect(await schema(url)).toEqual(fresh);
  await fill(url);
  expect(await rowCounts(url)).toEqual(counts);
  expect(await migrateDown(url, true)).toHaveLength(applied.length);
  expect(await rowCounts(url)).toEqual({});
});

test('a migration may take longer than a request, and so may the wait for it', {
  tags: ['faults'],
}, async () => {
  const { url } = await createTestDatabase({ empty: true });
  const applied = await migrateUp(url);
  expect(await migrateDown(url)).toEqual(applied.slice(-1));
  // Longer than a request waits for an answer.
  await ask(
    url,
    `create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(16); return new; end';
     create trigger slow before insert on kysely_migration for each row execute function slow()`,
  );
  // One of them takes so long, the other one waits for it.
  expect((await Promise.all([migrateUp(url), migrateUp(url)])).flat()).toEqual(applied.slice(-1));
});

test('runs under way get their places with the tables of allowances', { tags: ['faults'] }, async () => {
  const { url } = await createTestDatabase();
  await onStore(url, async (store) => {
    await seedTenantAllowance(store.database.db, defaultTenant);
    const run = await store.started();
    const parked = (await store.accept({ conversationId: run.conversation_id, whenBusy: 'queue' })).run;
    const ended = await store.started();
    await store.end(ended);
    while (
      (await migrationStatus(url)).some(({ name, appliedAt }) => name === '0003-allowances' && appliedAt)
    )
      await migrateDown(url);
    await migrateUp(url);
    expect(await ask(url, 'select run_id, name, state from allowance_places order by state, name')).toEqual(
      [[run, 'running'] as const, [parked, 'waiting'] as const].flatMap(
        ([{ id, conversation_id }, state]) => [
          { run_id: id, name: `conversation/${conversation_id}`, state },
          { run_id: id, name: `run/${id}`, state },
          { run_id: id, name: 'tenant', state },
        ],
      ),
    );
  });
});

test('calls of runs under way are told what their tools say of themselves', {
  tags: ['faults'],
}, async () => {
  const { url } = await createTestDatabase();
  await onStore(url, async (store) => {
    await seedTenantAllowance(store.database.db, defaultTenant);
    const tools = ['finish', 'ask-person', 'shell'];
    const calls = tools.map((tool, index) => aCall(`1.${index}`, { tool }));
    const ended = await store.started();
    await store.step(ended, 1, { calls });
    await store.end(ended);
    await store.step(await store.started(), 1, { calls });
    while (
      (await migrationStatus(url)).some(
        ({ name, appliedAt }) => name === '0014-ends-and-progress' && appliedAt,
      )
    )
      await migrateDown(url);
    await migrateUp(url);
    const told =
      'select tool, ends_run, progress from calls where ends_run or progress is not null order by 1';
    expect(await ask(url, told)).toEqual([
      { tool: 'ask-person', ends_run: false, progress: true },
      { tool: 'finish', ends_run: true, progress: null },
    ]);
  });
});

test('what open questions about money are about comes along, forth and back', {
  tags: ['faults'],
}, async () => {
  const { url } = await createTestDatabase();
  const questions = 'select allowance_id, limit_name, input_hash from approvals order by id';
  await onStore(url, async (store) => {
    const tenant = openTenant(store);
    await tenant.limit('tenant', { dayTokens: 5 });
    const { id } = await tenant.pool('tenant');
    const [own, drawing] = [await tenant.run(), await tenant.run()];
    for (const run of [own, drawing]) await store.begin(run);
    await askForOwn(store, own);
    await askForRoom(store, drawing, { tokens: 9 });
    const before = await ask(url, questions);
    expect(before).toEqual([
      { allowance_id: null, limit_name: 'costMicros', input_hash: '' },
      { allowance_id: id, limit_name: 'dayTokens', input_hash: '' },
    ]);
    while ((await migrateDown(url))[0] !== '0013-questions-of-money');
    expect(await ask(url, 'select input_hash from approvals order by id')).toEqual([
      { input_hash: 'run/costMicros' },
      { input_hash: `${id}/dayTokens` },
    ]);
    await migrateUp(url);
    expect(await ask(url, questions)).toEqual(before);
  });
});

test('attempts from before keep their numbers and places, and what they started can be killed by its handle', {
  tags: ['faults'],
}, async () => {
  const { url } = await createTestDatabase();
  await onStore(url, async (store) => {
    await seedTenantAllowance(store.database.db, defaultTenant);
    const run = await store.started();
    const executor = { id: uuid(), tenantId: defaultTenant, host: 'here', pid: 1, startedTicks: '1' };
    await registerExecutor(store.database.db, { ...executor, queues: [], capacity: {} });
    while (
      (await migrationStatus(url)).some(({ name, appliedAt }) => name === '0011-attempt-numbers' && appliedAt)
    )
      await migrateDown(url);
    await ask(
      url,
      `insert into attempts (run_id, unit, tenant_id, attempt, executor_id, task_token, process_group, process_started)
       values ('${run.id}', 'call/1.0', '${defaultTenant}', 1020003, '${executor.id}', '', 7, 'boot:5:mark'),
         ('${run.id}', 'call/1.0', '${defaultTenant}', 4, '${executor.id}', '', null, null)`,
    );
    await migrateUp(url);
    expect(
      await ask(url, 'select attempt, generation, pauses, tried, handle from attempts order by attempt'),
    ).toEqual([
      { attempt: 4, generation: 0, pauses: 0, tried: 4, handle: null },
      {
        ...{ attempt: 1_020_003, generation: 1, pauses: 2, tried: 3 },
        handle: { kind: 'mount', host: 'here', call: `${run.id}/1.0`, pgid: 7, startedTicks: 'boot:5:mark' },
      },
    ]);
  });
});

// As databases name them that were made when several migrations had one number.
const namesBefore: Record<string, string> = {
  '0004-crossings-of-allowances': '0003-crossings-of-allowances',
  '0005-draw-on-allowances': '0003-draw-on-allowances',
  '0006-room-in-allowances': '0003-room-in-allowances',
  '0007-approvals': '0005-approvals',
  '0008-policies': '0006-policies',
  '0009-stall': '0007-stall',
};

test('a database from before the migrations were numbered once each goes on from where it is', {
  tags: ['faults'],
}, async () => {
  const { url } = await createTestDatabase();
  const fresh = await schema(url);
  await fill(url);
  const counts = await rowCounts(url);
  const numbered = await ask(url, 'select conversation_id, seq from conversation_heads order by 1');
  const isLater = (name: string): boolean => name > '0009-stall';
  for (;;) {
    const last = (await migrationStatus(url)).findLast(({ appliedAt }) => appliedAt !== null);
    if (!last || !isLater(last.name)) break;
    await migrateDown(url);
  }
  expect(await ask(url, 'select id as conversation_id, seq from conversations order by 1')).toEqual(numbered);
  for (const [now, before] of Object.entries(namesBefore))
    await ask(url, `update kysely_migration set name = '${before}' where name = '${now}'`);
  expect((await migrateUp(url)).every(isLater)).toBe(true);
  expect(await schema(url)).toEqual(fresh);
  // What was summed is an entry again; prunings and reports are of what is past, and so are presets.
  const all = Number(counts['allowance_entries']) + Number(counts['allowance_months']);
  const gone = [
    'allowance_months',
    'prunings',
    'presets',
    'preset_versions',
    'checkpoints',
    'rewinds',
    'delegations',
    'model_configs',
    'occurrences',
    'schedules',
    'memory',
    'dispatchers',
    'task_claims',
    'tasks',
    'webhook_deliveries',
    'webhooks',
    'run_contents',
    'outbox',
    'workspaces',
  ];
  const none = Object.fromEntries(gone.map((table) => [table, 0]));
  // So are agents that registered for tasks, and dead letters of those.
  const [letters, executors] = ['dead_letters', 'executors'].map((table) => Number(counts[table]) - 1);
  const less = { dead_letters: letters, executors, allowance_entries: all };
  expect(await rowCounts(url)).toEqual({ ...counts, ...none, ...less });
  expect(await ask(url, 'select conversation_id, seq from conversation_heads order by 1')).toEqual(numbered);
});

test('several processes may migrate at once', async () => {
  const { url } = await createTestDatabase({ empty: true });
  const results = await Promise.all(Array.from({ length: 4 }, () => migrateUp(url)));
  expect(results.filter((names) => names.length > 0)).toHaveLength(1);
  expect(await migrateUp(url)).toEqual([]);
});

test('the checked-in types are those of the tables', async () => {
  const { url } = await createTestDatabase();
  const codegen = path.join(root, 'node_modules/kysely-codegen/dist/cli/bin.js');
  const options = ['--verify', '--dialect', 'postgres', '--exclude-pattern', 'kysely_*'];
  const types = ['--type-mapping', '{"int8":"number"}', '--out-file', 'activities/store/db/tables.ts'];
  await promisify(execFile)(process.execPath, [codegen, ...options, ...types], {
    cwd: root,
    // By environment: a password has no place among the arguments of a process.
    env: { PATH: process.env['PATH'], DATABASE_URL: url },
  });
});

import pg from 'pg';
import { v7 as uuid } from 'uuid';
import { expect, test } from 'vitest';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { migrateDown, migrateUp, migrationStatus } from '../../../../activities/store/db/migrate.ts';
import { createTestDatabase } from '../../../support/postgres.ts';
import { openTestStore } from '../../../support/store.ts';

async function ask(url: string, text: string): Promise<object[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

test('answers remembered as rules count no more, stay readable, and the audit says so', {
  tags: ['faults'],
}, async () => {
  const { url } = await createTestDatabase();
  while (
    (await migrationStatus(url)).some(
      ({ name, appliedAt }) => name.endsWith('-remembered-arguments') && appliedAt,
    )
  )
    await migrateDown(url);
  const rule = { tool: 'write', paths: ['a'], decision: 'allow' };
  await ask(
    url,
    `insert into remembered_answers (id, tenant_id, scope, key, rule, expires_at, created_by)
     values ('${uuid()}', '${defaultTenant}', 'run', 'r', '${JSON.stringify(rule)}', now() + interval '1 day', 'ada')`,
  );
  await migrateUp(url);
  expect(
    await ask(url, 'select rule, forgotten_at is not null as forgotten from remembered_answers'),
  ).toEqual([{ rule, forgotten: true }]);
  expect(await ask(url, "select actor, action, detail->'rule' as rule from audit")).toEqual([
    { actor: 'Perdure', action: 'answer-forget', rule },
  ]);
});

const store = await openTestStore();

test('runs are told whom they count for, and that nothing is known of their sources', {
  tags: ['faults'],
}, async () => {
  const { url } = store;
  await store.accept({ owner: 'team/ada', pools: ['owner/team/ada'] });
  await store.accept();
  while (
    (await migrationStatus(url)).some(
      ({ name, appliedAt }) => name.endsWith('-kept-configuration') && appliedAt,
    )
  )
    await migrateDown(url);
  await migrateUp(url);
  expect(await ask(url, 'select owner, sources from runs order by id')).toEqual([
    { owner: 'team/ada', sources: null },
    { owner: null, sources: null },
  ]);
});

// Projects that lie below a folder which was moved: what names them is made to name where they are now.
import { type RawBuilder, sql } from 'kysely';
import type { Db } from '../db/database.ts';

function isBelow(column: string, folder: string): RawBuilder<boolean> {
  return sql<boolean>`starts_with(${sql.ref(column)}, ${`${folder}/`})`;
}

function movedTo(column: string, from: string, to: string): RawBuilder<string> {
  return sql<string>`${to}::text || substr(${sql.ref(column)}, length(${from}::text) + 1)`;
}

export async function projectsBelow(db: Db, folder: string): Promise<string[]> {
  const rows = await db
    .selectFrom('runs')
    .select('project_path')
    .distinct()
    .where(isBelow('project_path', folder))
    .execute();
  return rows.flatMap(({ project_path }) => project_path ?? []);
}

/** May be called again after a crash in between: it is one transaction. */
export async function moveProjects(db: Db, from: string, to: string): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await tx
      .updateTable('runs')
      .set({ project_path: movedTo('project_path', from, to) })
      .where(isBelow('project_path', from))
      .execute();
    await tx
      .updateTable('remembered_answers')
      .set({ key: movedTo('key', from, to) })
      .where('scope', '=', 'project')
      .where(isBelow('key', from))
      .execute();
    // A folder that was moved there and back may have a policy here already, which is the newer decision.
    await tx
      .updateTable('policy_scopes as old')
      .set({ key: movedTo('old.key', from, to) })
      .where('old.scope', '=', 'project')
      .where(isBelow('old.key', from))
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('policy_scopes as there')
              .select('there.key')
              .whereRef('there.tenant_id', '=', 'old.tenant_id')
              .where('there.scope', '=', 'project')
              .where('there.key', '=', movedTo('old.key', from, to)),
          ),
        ),
      )
      .execute();
  });
}

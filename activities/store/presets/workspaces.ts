// Workspaces: projects in an order, under a name. None is taken away that a conversation, a run or a preset uses.
import { type Selectable, sql } from 'kysely';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import type {
  ChangeWorkspaceBody,
  CreateWorkspaceBody,
  WorkspaceView,
} from '../../../workflows/contracts/workspace.ts';
import { addAudit } from '../access/audit.ts';
import type { Db, Queries } from '../db/database.ts';
import type { Json, Workspaces } from '../db/tables.ts';
import type { Write } from '../log/events.ts';
import type { PresetChange } from './presets.ts';

type WorkspaceRow = Selectable<Workspaces>;
type Change = Pick<PresetChange, 'tenantId' | 'by'>;

export function toWorkspaceView(row: WorkspaceRow): WorkspaceView {
  return {
    id: row.id,
    version: row.version,
    name: row.name,
    projects: row.projects as WorkspaceView['projects'],
    metadata: row.metadata as WorkspaceView['metadata'],
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

export async function findWorkspace(
  queries: Queries,
  tenantId: string,
  id: string,
): Promise<WorkspaceRow | undefined> {
  return selectOne(queries, tenantId, id).executeTakeFirst();
}

/** Held until the commit: a delete waits, and then sees who uses it. */
export async function holdWorkspace(
  queries: Queries,
  tenantId: string,
  id: string,
): Promise<WorkspaceRow | undefined> {
  return selectOne(queries, tenantId, id).forKeyShare().executeTakeFirst();
}

function selectOne(queries: Queries, tenantId: string, id: string) {
  return queries.selectFrom('workspaces').selectAll().where('tenant_id', '=', tenantId).where('id', '=', id);
}

export interface WorkspaceList {
  tenantId: string;
  limit: number;
  /** The last one of the page before. */
  after?: string | undefined;
  /** Only those whose metadata has all of this. */
  metadata?: Record<string, string>;
}

export async function listWorkspaces(db: Db, list: WorkspaceList): Promise<WorkspaceRow[]> {
  let query = db
    .selectFrom('workspaces')
    .selectAll()
    .where('tenant_id', '=', list.tenantId)
    .orderBy('id')
    .limit(list.limit);
  if (list.after !== undefined) query = query.where('id', '>', list.after);
  if (list.metadata) query = query.where('metadata', '@>', JSON.stringify(list.metadata));
  return query.execute();
}

export async function createWorkspace(
  write: Write,
  { id, name = id, projects, metadata = {} }: CreateWorkspaceBody,
  { tenantId, by }: Change,
): Promise<WorkspaceRow> {
  const made = await write.tx
    .insertInto('workspaces')
    .values({
      ...{ tenant_id: tenantId, id, name, created_by: by },
      ...{ projects: JSON.stringify(projects), metadata: JSON.stringify(metadata) },
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doNothing())
    .returningAll()
    .executeTakeFirst();
  if (!made)
    throw new Failure('WorkspaceExists', `There is a workspace ${id} already; change it, or use another id.`);
  await addAudit(write, [{ tenantId, actor: by, action: 'workspace-create', rule: id }]);
  return made;
}

/** Changes what is given. Runs go on with the projects they began with. */
export async function changeWorkspace(
  write: Write,
  id: string,
  { name, projects, metadata, version }: ChangeWorkspaceBody,
  { tenantId, by }: Change,
): Promise<WorkspaceRow> {
  await lockAt(write, tenantId, id, version);
  const merged =
    metadata === null
      ? sql<Json>`'{}'::jsonb`
      : sql<Json>`jsonb_strip_nulls(metadata || ${JSON.stringify(metadata ?? {})}::jsonb)`;
  const row = await write.tx
    .updateTable('workspaces')
    .set({
      ...(name !== undefined && { name }),
      ...(projects && { projects: JSON.stringify(projects) }),
      ...(metadata !== undefined && { metadata: merged }),
      ...{ version: version + 1, updated_at: new Date() },
    })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
  const detail = { version: row.version };
  await addAudit(write, [{ tenantId, actor: by, action: 'workspace-change', rule: id, detail }]);
  return row;
}

/** Its directories stay. */
export async function deleteWorkspace(
  write: Write,
  id: string,
  version: number,
  { tenantId, by }: Change,
): Promise<void> {
  await lockAt(write, tenantId, id, version, { toDelete: true });
  const use = await useOf(write.tx, tenantId, id);
  if (use) throw refusal(id, use);
  await write.tx.deleteFrom('workspaces').where('tenant_id', '=', tenantId).where('id', '=', id).execute();
  await addAudit(write, [{ tenantId, actor: by, action: 'workspace-delete', rule: id }]);
}

interface Use {
  kind: 'run' | 'conversation' | 'preset';
  id: string;
}

/** The first that uses it: a run that has not ended, a conversation whose next run would, a preset of now. */
async function useOf(queries: Queries, tenantId: string, id: string): Promise<Use | undefined> {
  const { rows } = await sql<Use>`
    (select 'run' as kind, id::text from runs
      where tenant_id = ${tenantId} and workspace->>'id' = ${id} and ended_at is null order by id desc limit 1)
    union all
    (select 'conversation', id::text from conversations
      where tenant_id = ${tenantId} and archived_at is null and settings->>'workspace' = ${id} order by id desc limit 1)
    union all
    (select 'conversation', runs.conversation_id::text from runs
      join conversations on conversations.id = runs.conversation_id
      where runs.tenant_id = ${tenantId} and runs.workspace->>'id' = ${id} and runs.kind = 'main'
        and archived_at is null and not settings ?| array['workspace', 'project']
        and not exists (
          select from runs later where later.conversation_id = runs.conversation_id and later.kind = 'main'
            and later.id > runs.id
        )
      order by runs.conversation_id desc limit 1)
    union all
    (select 'preset', presets.id from presets
      join preset_versions on preset_versions.tenant_id = presets.tenant_id
        and preset_versions.preset_id = presets.id and preset_versions.version = presets.version
      where presets.tenant_id = ${tenantId} and deleted_at is null
        and preset_versions.settings->>'workspace' = ${id} order by presets.id limit 1)`.execute(queries);
  return rows[0];
}

function refusal(id: string, use: Use): Failure {
  switch (use.kind) {
    case 'run':
      return new Failure(
        'WorkspaceInUse',
        `Run ${use.id} works in the workspace ${id}: wait until it has ended.`,
        {
          activeRunId: use.id,
        },
      );
    case 'conversation': {
      const detail = `Conversation ${use.id} goes by the workspace ${id}; archive it, or give it another place, first.`;
      return new Failure('WorkspaceInUse', detail, { conversationId: use.id });
    }
    case 'preset':
      return new Failure(
        'WorkspaceInUse',
        `The preset ${use.id} names the workspace ${id}: change it first.`,
      );
  }
}

async function lockAt(
  write: Write,
  tenantId: string,
  id: string,
  version: number,
  { toDelete = false } = {},
): Promise<void> {
  const query = selectOne(write.tx, tenantId, id);
  // Only a delete waits for those who are about to use it.
  const row = await (toDelete ? query.forUpdate() : query.forNoKeyUpdate()).executeTakeFirst();
  const head = found(row, `workspace ${id}`);
  if (head.version === version) return;
  const detail = `The workspace ${id} is at version ${head.version}, not ${version}: read it again.`;
  throw new Failure('VersionStale', detail, { version: head.version });
}

// Which profiles a run is held against, from near to far, and the answers people had remembered for it.
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import type { PolicyProfile, PolicyScopeName } from '../../../workflows/contracts/policy.ts';
import { found } from '../../../workflows/contracts/failures.ts';
import { addAudit } from '../access/audit.ts';
import type { Db, Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { findPolicy, type PolicyChange, type ScopeRef } from './policies.ts';

type WideScope = Exclude<PolicyScopeName, 'run'>;

/** Where a profile applies: a project by its real path, or everywhere. */
export interface PolicyPlace {
  scope: WideScope;
  key: string;
}

/** Whatever link leads to a project, it is the same place. Whether there is such a directory, the run finds out. */
export async function placeOfProject(
  { realPath }: { realPath(path: string): Promise<string> },
  projectPath: string | null,
): Promise<string | null> {
  return projectPath === null ? null : realPath(projectPath).catch(() => projectPath);
}

export async function applyPolicy(
  write: Write,
  { scope, key }: PolicyPlace,
  policyId: string | null,
  { tenantId, by }: PolicyChange,
): Promise<void> {
  if (policyId === null) {
    await write.tx
      .deleteFrom('policy_scopes')
      .where('tenant_id', '=', tenantId)
      .where('scope', '=', scope)
      .where('key', '=', key)
      .execute();
  } else {
    // Held until the commit: a delete meanwhile waits, and then sees where the policy applies.
    const held = await write.tx
      .selectFrom('policies')
      .select('id')
      .where('tenant_id', '=', tenantId)
      .where('id', '=', policyId)
      .where('deleted_at', 'is', null)
      .forKeyShare()
      .executeTakeFirst();
    found(held, `policy ${policyId}`);
    await write.tx
      .insertInto('policy_scopes')
      .values({ tenant_id: tenantId, scope, key, policy_id: policyId })
      .onConflict((conflict) =>
        conflict.columns(['tenant_id', 'scope', 'key']).doUpdateSet({ policy_id: policyId }),
      )
      .execute();
  }
  const detail = { scope, key };
  await addAudit(write, [{ tenantId, actor: by, action: 'policy-apply', rule: policyId ?? '', detail }]);
}

// Stands for a profile that is gone: no profile has this version, so a reference to it finds nothing.
const noVersion = 0;

export interface ScopeChoice {
  /** The id of a stored profile; undefined, the nearest that applies to the project. */
  policy: string | undefined;
  /** In place of a stored one. */
  draft?: PolicyProfile | undefined;
  /** The project's real path. */
  projectPath: string | null;
  fallback: string;
}

export interface ResolvedScopes {
  refs: ScopeRef[];
  /**
   * Those of the refs, in the same order. The first is the run's own, whose limits count. Undefined where one that
   * applies is gone: then nothing is allowed.
   */
  profiles: [PolicyProfile, ...(PolicyProfile | undefined)[]];
}

/** The profiles that apply to a run, near ones first. Undefined: there is none of that id. */
export async function resolveScopes(
  queries: Queries,
  tenantId: string,
  { draft, policy, projectPath, fallback }: ScopeChoice,
): Promise<ResolvedScopes | undefined> {
  const name = draft ? undefined : (policy ?? fallback);
  const rows = await policiesFor(queries, tenantId, { name, projectPath });
  const rowOf = (scope: WideScope): ApplyingPolicy | undefined => rows.find((row) => row.scope === scope);
  const named = draft?.id ?? policy ?? rowOf('project')?.id ?? rowOf('global')?.id ?? fallback;
  const stored = rows.find(({ id, gone }) => id === named && !gone);
  const nearest = draft ? { profile: draft, version: 0 } : stored;
  if (!nearest) return undefined;
  const refs: ScopeRef[] = [{ scope: 'run', id: named, version: nearest.version }];
  const profiles: ResolvedScopes['profiles'] = [nearest.profile];
  for (const scope of ['project', 'global'] as const) {
    const row = rowOf(scope);
    if (row === undefined || row.id === named) continue;
    refs.push({ scope, id: row.id, version: row.gone ? noVersion : row.version });
    profiles.push(row.gone ? undefined : row.profile);
  }
  return { refs, profiles };
}

interface ApplyingPolicy {
  id: string;
  version: number;
  profile: PolicyProfile;
  gone: boolean;
  /** Where it applies; null when it is only named. */
  scope: string | null;
}

/** The one that is named and those that apply, each in its newest version: one look for every run. */
async function policiesFor(
  queries: Queries,
  tenantId: string,
  { name, projectPath }: { name: string | undefined; projectPath: string | null },
): Promise<ApplyingPolicy[]> {
  const { rows } = await sql<ApplyingPolicy>`
    select policies.id, policies.version, profile, deleted_at is not null as gone, places.scope
    from policies
    join policy_versions on policy_versions.tenant_id = policies.tenant_id
      and policy_versions.policy_id = policies.id and policy_versions.version = policies.version
    left join policy_scopes places on places.tenant_id = policies.tenant_id and places.policy_id = policies.id
      and (places.scope = 'global' or (places.scope = 'project' and places.key = ${projectPath ?? ''}))
    where policies.tenant_id = ${tenantId} and (policies.id = ${name ?? null} or places.scope is not null)`.execute(
    queries,
  );
  return rows;
}

export interface RememberedAnswer {
  id: string;
  scope: PolicyScopeName;
  key: string;
  tool: string;
  /** Of exactly the arguments that are allowed. */
  inputHash: string;
  /** What is allowed, in words. */
  allows: string;
  expiresAt: Date;
  createdBy: string;
}

export async function rememberAnswer(
  write: Write,
  answer: Omit<RememberedAnswer, 'id' | 'createdBy'>,
  { tenantId, by }: PolicyChange,
): Promise<string> {
  const id = uuid();
  await write.tx
    .insertInto('remembered_answers')
    .values({
      id,
      tenant_id: tenantId,
      scope: answer.scope,
      key: answer.key,
      tool: answer.tool,
      input_hash: answer.inputHash,
      allows: answer.allows,
      expires_at: answer.expiresAt,
      created_by: by,
    })
    .execute();
  await addAudit(write, [
    {
      tenantId,
      actor: by,
      action: 'answer-remember',
      detail: {
        id,
        scope: answer.scope,
        key: answer.key,
        allows: answer.allows,
        inputHash: answer.inputHash,
      },
    },
  ]);
  return id;
}

/** What people had remembered that counts for a run, near ones first. */
export async function rememberedFor(
  queries: Queries,
  run: { id: string; tenant_id: string; project_path: string | null },
  now = new Date(),
): Promise<RememberedAnswer[]> {
  const keys = [
    ['run', run.id],
    ['project', run.project_path ?? ''],
    ['global', ''],
  ] as const;
  const rows = await queries
    .selectFrom('remembered_answers')
    .selectAll()
    .where('tenant_id', '=', run.tenant_id)
    .where('forgotten_at', 'is', null)
    .where('expires_at', '>', now)
    .where((eb) => eb.or(keys.map(([scope, key]) => eb.and([eb('scope', '=', scope), eb('key', '=', key)]))))
    .orderBy('id')
    .execute();
  const place = (scope: string): number => keys.findIndex(([name]) => name === scope);
  return rows.map(toRemembered).sort((one, other) => place(one.scope) - place(other.scope));
}

/** Those that still count, newest first. */
export async function listRemembered(
  db: Db,
  { tenantId, limit, before }: { tenantId: string; limit: number; before?: string | undefined },
): Promise<RememberedAnswer[]> {
  let query = db
    .selectFrom('remembered_answers')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('forgotten_at', 'is', null)
    .where('expires_at', '>', new Date())
    .orderBy('id', 'desc')
    .limit(limit);
  if (before !== undefined) query = query.where('id', '<', before);
  return (await query.execute()).map(toRemembered);
}

export async function forgetAnswer(write: Write, id: string, { tenantId, by }: PolicyChange): Promise<void> {
  const forgotten = await write.tx
    .updateTable('remembered_answers')
    .set({ forgotten_at: new Date() })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('forgotten_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  found(forgotten, `remembered answer ${id}`);
  await addAudit(write, [{ tenantId, actor: by, action: 'answer-forget', detail: { id } }]);
}

function toRemembered(row: {
  id: string;
  scope: string;
  key: string;
  tool: string | null;
  input_hash: string | null;
  allows: string | null;
  expires_at: Date;
  created_by: string;
}): RememberedAnswer {
  return {
    id: row.id,
    scope: row.scope as PolicyScopeName,
    key: row.key,
    // Only what was forgotten may lack them.
    tool: row.tool ?? '',
    inputHash: row.input_hash ?? '',
    allows: row.allows ?? '',
    expiresAt: row.expires_at,
    createdBy: row.created_by,
  };
}

// A profile may have 400 kB; the few that runs go by are soon read again.
const mostKept = 200;

/** Profiles by version never change: each is read once in a while. */
export function createProfiles(): (
  tenantId: string,
  ref: ScopeRef,
  queries: Queries,
) => Promise<PolicyProfile | undefined> {
  const known = new Map<string, PolicyProfile>();
  return async (tenantId, { id, version }, queries) => {
    const key = `${tenantId} ${id} ${version}`;
    const found = known.get(key) ?? (await findPolicy(queries, tenantId, id, version))?.profile;
    if (found && known.size >= mostKept) known.clear();
    if (found) known.set(key, found);
    return found;
  };
}

// A person who has more projects with policies of their own looks them up by project.
const mostPlaces = 1000;

/** Everywhere first, then by project. */
export function listPolicyPlaces(
  db: Db,
  tenantId: string,
): Promise<{ scope: string; key: string; policy: string }[]> {
  return db
    .selectFrom('policy_scopes')
    .select(['scope', 'key', 'policy_id as policy'])
    .where('tenant_id', '=', tenantId)
    .orderBy('scope')
    .orderBy('key')
    .limit(mostPlaces)
    .execute();
}

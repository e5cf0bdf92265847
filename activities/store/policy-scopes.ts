// Which profiles a run is held against, from near to far, and the answers people had remembered for it.
import { v7 as uuid } from 'uuid';
import type { PolicyProfile, PolicyRule, PolicyScopeName } from '../../workflows/contracts/policy.ts';
import { addAudit } from './audit.ts';
import type { Db, Queries } from './database.ts';
import type { Write } from './events.ts';
import { findPolicy, type PolicyChange, type ScopeRef } from './policies.ts';

type WideScope = Exclude<PolicyScopeName, 'run'>;

/** Where a profile applies: a project by its real path, or everywhere. */
export interface PolicyPlace {
  scope: WideScope;
  key: string;
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
  /** Those of the refs, in the same order. The first is the run's own, whose limits count. */
  profiles: [PolicyProfile, ...PolicyProfile[]];
}

/** The profiles that apply to a run, near ones first. Undefined: there is none of that id. */
export async function resolveScopes(
  queries: Queries,
  tenantId: string,
  input: ScopeChoice,
): Promise<ResolvedScopes | undefined> {
  const rows = await queries
    .selectFrom('policy_scopes')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where((eb) =>
      eb.or([
        eb('scope', '=', 'global'),
        eb.and([eb('scope', '=', 'project'), eb('key', '=', input.projectPath ?? '')]),
      ]),
    )
    .execute();
  const idOf = (scope: WideScope): string | undefined => rows.find((row) => row.scope === scope)?.policy_id;
  const { draft } = input;
  const named = draft?.id ?? input.policy ?? idOf('project') ?? idOf('global') ?? input.fallback;
  const nearest = draft ? { profile: draft, version: 0 } : await findPolicy(queries, tenantId, named);
  if (!nearest) return undefined;
  const refs: ScopeRef[] = [{ scope: 'run', id: named, version: nearest.version }];
  const profiles: ResolvedScopes['profiles'] = [nearest.profile];
  for (const scope of ['project', 'global'] as const) {
    const id = idOf(scope);
    const stored = id === undefined || id === named ? undefined : await findPolicy(queries, tenantId, id);
    if (id === undefined || !stored) continue;
    refs.push({ scope, id, version: stored.version });
    profiles.push(stored.profile);
  }
  return { refs, profiles };
}

export interface RememberedAnswer {
  id: string;
  scope: PolicyScopeName;
  key: string;
  rule: PolicyRule;
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
      rule: JSON.stringify(answer.rule),
      expires_at: answer.expiresAt,
      created_by: by,
    })
    .execute();
  await addAudit(write, [
    {
      tenantId,
      actor: by,
      action: 'answer-remember',
      detail: { id, scope: answer.scope, key: answer.key, rule: answer.rule },
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

export async function listRemembered(db: Db, tenantId: string): Promise<RememberedAnswer[]> {
  const rows = await db
    .selectFrom('remembered_answers')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('forgotten_at', 'is', null)
    .orderBy('id', 'desc')
    // More than anybody keeps in view.
    .limit(500)
    .execute();
  return rows.map(toRemembered);
}

/** False when there is none of that id. */
export async function forgetAnswer(
  write: Write,
  id: string,
  { tenantId, by }: PolicyChange,
): Promise<boolean> {
  const forgotten = await write.tx
    .updateTable('remembered_answers')
    .set({ forgotten_at: new Date() })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('forgotten_at', 'is', null)
    .executeTakeFirst();
  if (forgotten.numUpdatedRows !== 1n) return false;
  await addAudit(write, [{ tenantId, actor: by, action: 'answer-forget', detail: { id } }]);
  return true;
}

function toRemembered(row: {
  id: string;
  scope: string;
  key: string;
  rule: unknown;
  expires_at: Date;
  created_by: string;
}): RememberedAnswer {
  return {
    id: row.id,
    scope: row.scope as PolicyScopeName,
    key: row.key,
    rule: row.rule as PolicyRule,
    expiresAt: row.expires_at,
    createdBy: row.created_by,
  };
}

/** Profiles by version never change: each is read once in a process. */
export function createProfiles(
  db: Db,
): (tenantId: string, ref: ScopeRef) => Promise<PolicyProfile | undefined> {
  const known = new Map<string, PolicyProfile>();
  return async (tenantId, { id, version }) => {
    const key = `${tenantId} ${id} ${version}`;
    const found = known.get(key) ?? (await findPolicy(db, tenantId, id, version))?.profile;
    if (found) known.set(key, found);
    return found;
  };
}

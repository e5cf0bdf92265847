// Policy profiles: built-in ones that never change, custom ones in versions that stay, and which of them apply where.
import { sql } from 'kysely';
import type { PolicyProfile, PolicyScopeName, PolicyView } from '../../../workflows/contracts/policy.ts';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import { builtInProfiles, builtInVersion } from '../../../workflows/policy/presets.ts';
import { withRequirement } from '../../../workflows/policy/containment.ts';
import { addAudit } from '../access/audit.ts';
import type { Db, Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';

export interface StoredPolicy {
  profile: PolicyProfile;
  version: number;
  builtIn: boolean;
}

/** One of the profiles a run is held against, by its version: near ones first. */
export interface ScopeRef {
  scope: PolicyScopeName;
  id: string;
  version: number;
}

/** Makes the built-in profiles rows, so that a run goes on with the text it began with when a later release has another. */
export async function ensureBuiltIns(db: Db, tenantId: string): Promise<void> {
  for (const profile of builtInProfiles) {
    await db
      .with('head', (head) =>
        head
          .insertInto('policies')
          .values({ tenant_id: tenantId, id: profile.id, version: builtInVersion, built_in: true })
          .onConflict((conflict) =>
            conflict.columns(['tenant_id', 'id']).doUpdateSet({
              version: sql<number>`greatest(policies.version, excluded.version)`,
              built_in: true,
              deleted_at: null,
            }),
          )
          .returning('id'),
      )
      .insertInto('policy_versions')
      .columns(['tenant_id', 'policy_id', 'version', 'profile', 'created_by'])
      .expression((eb) =>
        eb
          .selectFrom('head')
          .select([
            sql<string>`${tenantId}::uuid`.as('tenant_id'),
            'head.id',
            sql<number>`${builtInVersion}::integer`.as('version'),
            sql<string>`${JSON.stringify(profile)}::jsonb`.as('profile'),
            sql<string>`'Perdure'`.as('created_by'),
          ]),
      )
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}

export async function findPolicy(
  queries: Queries,
  tenantId: string,
  id: string,
  version?: number,
): Promise<StoredPolicy | undefined> {
  let query = selectPolicies(queries, tenantId).where('policies.id', '=', id);
  query =
    version === undefined
      ? query.whereRef('policy_versions.version', '=', 'policies.version').where('deleted_at', 'is', null)
      : query.where('policy_versions.version', '=', version);
  const row = await query.executeTakeFirst();
  return row && toStored(row);
}

export interface PolicyList {
  tenantId: string;
  limit: number;
  /** The last profile of the page before. */
  after?: { builtIn: boolean; id: string } | undefined;
}

/** The newest version of each, built-in ones first, then by id. */
export async function listPolicies(db: Db, { tenantId, limit, after }: PolicyList): Promise<StoredPolicy[]> {
  let query = selectPolicies(db, tenantId)
    .whereRef('policy_versions.version', '=', 'policies.version')
    .where('deleted_at', 'is', null)
    .orderBy('built_in', 'desc')
    .orderBy('policies.id')
    .limit(limit);
  if (after) {
    query = query.where((eb) =>
      eb.or([
        eb.and([eb('built_in', '=', after.builtIn), eb('policies.id', '>', after.id)]),
        eb('built_in', '<', after.builtIn),
      ]),
    );
  }
  return (await query.execute()).map(toStored);
}

function selectPolicies(queries: Queries, tenantId: string) {
  return queries
    .selectFrom('policies')
    .innerJoin('policy_versions', (join) =>
      join
        .onRef('policy_versions.tenant_id', '=', 'policies.tenant_id')
        .onRef('policy_versions.policy_id', '=', 'policies.id'),
    )
    .select(['policy_versions.profile', 'policy_versions.version', 'policies.built_in'])
    .where('policies.tenant_id', '=', tenantId);
}

function toStored(row: { profile: unknown; version: number; built_in: boolean }): StoredPolicy {
  return { profile: row.profile as PolicyProfile, version: row.version, builtIn: row.built_in };
}

export function toPolicyView({ profile, version, builtIn }: StoredPolicy): PolicyView {
  return { ...profile, version, builtIn };
}

export interface PolicyChange {
  tenantId: string;
  by: string;
}

/** Refuses an id that is taken, by a deleted profile too: old runs and calls name it. */
export async function createPolicy(
  write: Write,
  given: PolicyProfile,
  { tenantId, by }: PolicyChange,
): Promise<StoredPolicy> {
  const profile = withRequirement(given);
  const made = await write.tx
    .insertInto('policies')
    .values({ tenant_id: tenantId, id: profile.id, version: 1, built_in: false })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  if (!made)
    throw new Failure('PolicyExists', `There is a policy ${profile.id} already, or was one; use another id.`);
  await addVersion(write, profile, 1, { tenantId, by }, 'policy-create');
  return { profile, version: 1, builtIn: false };
}

/** Another version of a custom profile; `version` is the one the change was made to. */
export async function updatePolicy(
  write: Write,
  given: PolicyProfile,
  version: number,
  { tenantId, by }: PolicyChange,
): Promise<StoredPolicy> {
  const profile = withRequirement(given);
  await lockCustom(write, tenantId, profile.id, version);
  const next = version + 1;
  await write.tx
    .updateTable('policies')
    .set({ version: next })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', profile.id)
    .execute();
  await addVersion(write, profile, next, { tenantId, by }, 'policy-update');
  return { profile, version: next, builtIn: false };
}

/** Its versions stay for the runs that began with them. */
export async function deletePolicy(
  write: Write,
  id: string,
  version: number,
  { tenantId, by }: PolicyChange,
): Promise<void> {
  await lockCustom(write, tenantId, id, version);
  const used = await write.tx
    .selectFrom('policy_scopes')
    .select(['scope', 'key'])
    .where('tenant_id', '=', tenantId)
    .where('policy_id', '=', id)
    .executeTakeFirst();
  if (used) {
    const where = used.scope === 'global' ? 'everywhere' : `in ${used.key}`;
    throw new Failure('PolicyInUse', `The policy ${id} applies ${where}; take it from there first.`);
  }
  await write.tx
    .updateTable('policies')
    .set({ deleted_at: new Date() })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .execute();
  await addAudit(write, [{ tenantId, actor: by, action: 'policy-delete', rule: id }]);
}

async function lockCustom(write: Write, tenantId: string, id: string, version: number): Promise<void> {
  const row = await write.tx
    .selectFrom('policies')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
  const head = found(row, `policy ${id}`);
  if (head.built_in) {
    throw new Failure(
      'PolicyBuiltIn',
      `The policy ${id} is built in and stays as it is; customise a copy of it.`,
    );
  }
  if (head.version !== version) {
    throw new Failure(
      'VersionStale',
      `The policy ${id} is at version ${head.version}, not ${version}: read it again.`,
      {
        version: head.version,
      },
    );
  }
}

async function addVersion(
  write: Write,
  profile: PolicyProfile,
  version: number,
  { tenantId, by }: PolicyChange,
  action: string,
): Promise<void> {
  await write.tx
    .insertInto('policy_versions')
    .values({
      tenant_id: tenantId,
      policy_id: profile.id,
      version,
      profile: JSON.stringify(profile),
      created_by: by,
    })
    .execute();
  await addAudit(write, [{ tenantId, actor: by, action, rule: profile.id, detail: { version } }]);
}

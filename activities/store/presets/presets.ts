// Presets: versions that stay, at most one default of a tenant, and none taken away that a conversation uses.
import { sql } from 'kysely';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import type { Preset, PresetView } from '../../../workflows/contracts/preset.ts';
import { addAudit } from '../access/audit.ts';
import type { Db, Queries } from '../db/database.ts';
import type { Json } from '../db/tables.ts';
import type { Write } from '../log/events.ts';
import { dropMemory } from './memory.ts';
import { modes, modesVersion } from './modes.ts';

export interface StoredPreset {
  preset: Preset;
  version: number;
  builtIn: boolean;
  isDefault: boolean;
}

export interface PresetChange {
  tenantId: string;
  by: string;
  /** Left out: it stays as it is. */
  isDefault?: boolean | undefined;
}

/** Makes the modes rows. A custom preset that had the name before stays what it is. */
export async function ensureModes(db: Db, tenantId: string): Promise<void> {
  await db
    .with('heads', (heads) =>
      heads
        .insertInto('presets')
        .values(modes.map(({ id }) => ({ tenant_id: tenantId, id, version: modesVersion, built_in: true })))
        .onConflict((conflict) =>
          conflict
            .columns(['tenant_id', 'id'])
            .doUpdateSet({ version: sql<number>`greatest(presets.version, excluded.version)` })
            .where('presets.built_in', '=', true),
        )
        .returning('id'),
    )
    .insertInto('preset_versions')
    .columns(['tenant_id', 'preset_id', 'version', 'settings', 'created_by'])
    .expression((eb) =>
      eb
        .selectFrom('heads')
        .innerJoin(
          sql<{ id: string; settings: Json }>`(select settings->>'id' as id, settings
            from jsonb_array_elements(${JSON.stringify(modes)}::jsonb) settings)`.as('mode'),
          'mode.id',
          'heads.id',
        )
        .select([
          sql<string>`${tenantId}::uuid`.as('tenant_id'),
          'heads.id',
          sql<number>`${modesVersion}::integer`.as('version'),
          'mode.settings',
          sql<string>`'Perdure'`.as('created_by'),
        ]),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** One preset, in its newest version unless another one is named; an old version also of one that is deleted. */
export async function findPreset(
  queries: Queries,
  tenantId: string,
  id: string,
  version?: number,
): Promise<StoredPreset | undefined> {
  let query = selectPresets(queries, tenantId).where('presets.id', '=', id);
  query =
    version === undefined
      ? query.whereRef('preset_versions.version', '=', 'presets.version').where('deleted_at', 'is', null)
      : query.where('preset_versions.version', '=', version);
  const row = await query.executeTakeFirst();
  return row && toStored(row);
}

/**
 * Those of these ids that there are, and the default, in their newest versions. Held until the commit: a delete waits,
 * and then sees the run or the conversation that uses them.
 */
export async function holdPresets(
  { tx }: Pick<Write, 'tx'>,
  tenantId: string,
  ids: readonly string[],
): Promise<StoredPreset[]> {
  const rows = await selectPresets(tx, tenantId)
    .whereRef('preset_versions.version', '=', 'presets.version')
    .where('deleted_at', 'is', null)
    .where((eb) => eb.or([eb('is_default', '=', true), eb('presets.id', '=', eb.fn.any(eb.val([...ids])))]))
    .forKeyShare('presets')
    .execute();
  return rows.map(toStored);
}

export interface PresetList {
  tenantId: string;
  limit: number;
  /** The last preset of the page before. */
  after?: { builtIn: boolean; id: string } | undefined;
}

/** The newest version of each, built-in ones first, then by id. */
export async function listPresets(db: Db, { tenantId, limit, after }: PresetList): Promise<StoredPreset[]> {
  let query = selectPresets(db, tenantId)
    .whereRef('preset_versions.version', '=', 'presets.version')
    .where('deleted_at', 'is', null)
    .orderBy('built_in', 'desc')
    .orderBy('presets.id')
    .limit(limit);
  if (after) {
    query = query.where((eb) =>
      eb.or([
        eb.and([eb('built_in', '=', after.builtIn), eb('presets.id', '>', after.id)]),
        eb('built_in', '<', after.builtIn),
      ]),
    );
  }
  return (await query.execute()).map(toStored);
}

function selectPresets(queries: Queries, tenantId: string) {
  return queries
    .selectFrom('presets')
    .innerJoin('preset_versions', (join) =>
      join
        .onRef('preset_versions.tenant_id', '=', 'presets.tenant_id')
        .onRef('preset_versions.preset_id', '=', 'presets.id'),
    )
    .select(['preset_versions.settings', 'preset_versions.version', 'built_in', 'is_default'])
    .where('presets.tenant_id', '=', tenantId);
}

function toStored(row: {
  settings: unknown;
  version: number;
  built_in: boolean;
  is_default: boolean;
}): StoredPreset {
  const { version, built_in: builtIn, is_default: isDefault } = row;
  return { preset: row.settings as Preset, version, builtIn, isDefault };
}

export function toPresetView({ preset, version, builtIn, isDefault }: StoredPreset): PresetView {
  return { ...preset, version, builtIn, default: isDefault };
}

/** Refuses an id that is taken, by a deleted preset too: old runs name it. */
export async function createPreset(
  write: Write,
  preset: Preset,
  { tenantId, by, isDefault = false }: PresetChange,
): Promise<StoredPreset> {
  if (isDefault) await giveUpDefault(write, tenantId);
  const made = await write.tx
    .insertInto('presets')
    .values({ tenant_id: tenantId, id: preset.id, version: 1, built_in: false, is_default: isDefault })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doNothing())
    .returning('id')
    .executeTakeFirst();
  if (!made)
    throw new Failure('PresetExists', `There is a preset ${preset.id} already, or was one; use another id.`);
  await addVersion(write, preset, 1, { tenantId, by }, 'preset-create');
  return { preset, version: 1, builtIn: false, isDefault };
}

/** Another version; `version` is the one the change was made to. Runs go on with the one they began with. */
export async function updatePreset(
  write: Write,
  preset: Preset,
  version: number,
  { tenantId, by, isDefault }: PresetChange,
): Promise<StoredPreset> {
  if (isDefault) await giveUpDefault(write, tenantId, preset.id);
  const head = await lockCustom(write, tenantId, preset.id, version);
  const next = version + 1;
  await write.tx
    .updateTable('presets')
    .set({ version: next, is_default: isDefault ?? head.is_default })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', preset.id)
    .execute();
  await addVersion(write, preset, next, { tenantId, by }, 'preset-update');
  return { preset, version: next, builtIn: false, isDefault: isDefault ?? head.is_default };
}

/** Its versions stay for the runs that began with them. */
export async function deletePreset(
  write: Write,
  id: string,
  version: number,
  { tenantId, by }: PresetChange,
): Promise<void> {
  await lockCustom(write, tenantId, id, version, { toDelete: true });
  const above = await presetAbove(write.tx, tenantId, id);
  if (above !== undefined)
    throw new Failure(
      'PresetInUse',
      `The preset ${above} has a subagent that goes by ${id}: change it first.`,
    );
  const uses = await conversationsWith(write.tx, tenantId, id);
  const [first] = uses;
  if (first !== undefined) {
    const others = uses.length > 1 ? ', and others do' : '';
    throw new Failure(
      'PresetInUse',
      `Conversation ${first} goes by the preset ${id}${others}; archive it, or give it another preset, first.`,
      { conversationId: first },
    );
  }
  await write.tx
    .updateTable('presets')
    .set({ deleted_at: new Date(), is_default: false })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .execute();
  await dropMemory(write.tx, { tenantId, scope: 'preset', key: id });
  await addAudit(write, [{ tenantId, actor: by, action: 'preset-delete', rule: id }]);
}

/** Another preset that names it for a subagent. */
async function presetAbove(queries: Queries, tenantId: string, id: string): Promise<string | undefined> {
  const row = await selectPresets(queries, tenantId)
    .select('presets.id')
    .whereRef('preset_versions.version', '=', 'presets.version')
    .where('deleted_at', 'is', null)
    .where('presets.id', '<>', id)
    .where(sql<boolean>`preset_versions.settings->'subagents' @> ${JSON.stringify([{ preset: id }])}::jsonb`)
    .orderBy('presets.id')
    .limit(1)
    .executeTakeFirst();
  return row?.id;
}

/** Two of the conversations that are not archived and whose next run would have this preset. */
async function conversationsWith(queries: Queries, tenantId: string, id: string): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from conversations where tenant_id = ${tenantId} and archived_at is null
      and settings->>'preset' = ${id}
    union
    select runs.conversation_id from runs join conversations on conversations.id = runs.conversation_id
    where runs.tenant_id = ${tenantId} and runs.preset->>'id' = ${id} and runs.kind = 'main'
      and archived_at is null and not settings ? 'preset'
      and not exists (
        select from runs later where later.conversation_id = runs.conversation_id and later.kind = 'main'
          and later.id > runs.id
      )
    order by id desc limit 2`.execute(queries);
  return rows.map((row) => row.id);
}

/** All who make a preset the default wait for each other here: each finds the one before, and there is never a second. */
async function giveUpDefault(write: Write, tenantId: string, except = ''): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`default preset of ${tenantId}`}, 0))`.execute(
    write.tx,
  );
  await write.tx
    .updateTable('presets')
    .set({ is_default: false })
    .where('tenant_id', '=', tenantId)
    .where('is_default', '=', true)
    .where('id', '<>', except)
    .execute();
}

async function lockCustom(
  write: Write,
  tenantId: string,
  id: string,
  version: number,
  { toDelete = false } = {},
): Promise<{ is_default: boolean }> {
  const query = write.tx
    .selectFrom('presets')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('deleted_at', 'is', null);
  // Only a delete waits for those who are about to use it.
  const row = await (toDelete ? query.forUpdate() : query.forNoKeyUpdate()).executeTakeFirst();
  const head = found(row, `preset ${id}`);
  if (head.built_in) {
    throw new Failure(
      'PresetBuiltIn',
      `The preset ${id} is built in and stays as it is; make one of your own.`,
    );
  }
  if (head.version !== version) {
    throw new Failure(
      'VersionStale',
      `The preset ${id} is at version ${head.version}, not ${version}: read it again.`,
      { version: head.version },
    );
  }
  return head;
}

async function addVersion(
  write: Write,
  preset: Preset,
  version: number,
  { tenantId, by }: PresetChange,
  action: string,
): Promise<void> {
  await write.tx
    .insertInto('preset_versions')
    .values({
      tenant_id: tenantId,
      preset_id: preset.id,
      version,
      settings: JSON.stringify(preset),
      created_by: by,
    })
    .execute();
  await addAudit(write, [{ tenantId, actor: by, action, rule: preset.id, detail: { version } }]);
}

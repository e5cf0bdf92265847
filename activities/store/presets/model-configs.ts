// Configurations of models: one for each that has any, changed while everything runs.
import { type Selectable, sql } from 'kysely';
import { Failure } from '../../../workflows/contracts/failures.ts';
import {
  type ModelConfig,
  modelConfigSeconds,
  type ModelConfigView,
} from '../../../workflows/contracts/model-config.ts';
import { addAudit } from '../access/audit.ts';
import type { Queries } from '../db/database.ts';
import type { ModelConfigs } from '../db/tables.ts';
import type { Write } from '../log/events.ts';

type ModelConfigRow = Selectable<ModelConfigs>;

// A person who configures more models has another way to look them up.
const mostListed = 1000;

/** By the name of the model. */
export function listModelConfigs(queries: Queries, tenantId: string): Promise<ModelConfigRow[]> {
  return queries
    .selectFrom('model_configs')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .orderBy('model')
    .limit(mostListed)
    .execute();
}

export function toModelConfigView(row: ModelConfigRow): ModelConfigView {
  const { model, version, settings, changed_at: at, changed_by: changedBy } = row;
  return { model, ...(settings as ModelConfig), version, changedAt: at.toISOString(), changedBy };
}

/** `version` is the one the change was made to, 0 where there was none. */
export async function saveModelConfig(
  write: Write,
  { tenantId, by }: { tenantId: string; by: string },
  { model, version, config }: { model: string; version: number; config: ModelConfig },
): Promise<ModelConfigRow> {
  const values = { settings: JSON.stringify(config), changed_by: by, changed_at: new Date() };
  const saved = await (version === 0
    ? write.tx
        .insertInto('model_configs')
        .values({ tenant_id: tenantId, model, version: 1, ...values })
        .onConflict((conflict) => conflict.columns(['tenant_id', 'model']).doNothing())
        .returningAll()
        .executeTakeFirst()
    : write.tx
        .updateTable('model_configs')
        .set({ ...values, version: sql<number>`version + 1` })
        .where('tenant_id', '=', tenantId)
        .where('model', '=', model)
        .where('version', '=', version)
        .returningAll()
        .executeTakeFirst());
  if (!saved) throw stale(model, version);
  const detail = { model, version: saved.version };
  await addAudit(write, [{ tenantId, actor: by, action: 'model-config-change', detail }]);
  return saved;
}

export async function deleteModelConfig(
  write: Write,
  { tenantId, by }: { tenantId: string; by: string },
  { model, version }: { model: string; version: number },
): Promise<void> {
  const gone = await write.tx
    .deleteFrom('model_configs')
    .where('tenant_id', '=', tenantId)
    .where('model', '=', model)
    .where('version', '=', version)
    .returning('model')
    .executeTakeFirst();
  if (!gone) throw stale(model, version);
  await addAudit(write, [{ tenantId, actor: by, action: 'model-config-delete', detail: { model } }]);
}

function stale(model: string, version: number): Failure {
  return new Failure(
    'VersionStale',
    `The configuration of ${model} is not at version ${version}: read it again.`,
  );
}

/** What is configured for a model. All of a tenant are read at once, and again after a few seconds. */
export function createModelConfigs(
  queries: Queries,
): (tenantId: string, model: string) => Promise<ModelConfig> {
  const known = new Map<string, { until: number; configs: Promise<Map<string, ModelConfig>> }>();

  async function read(tenantId: string): Promise<Map<string, ModelConfig>> {
    const rows = await listModelConfigs(queries, tenantId);
    return new Map(rows.map(({ model, settings }) => [model, settings as ModelConfig]));
  }

  return async (tenantId, model) => {
    const now = performance.now();
    const kept = known.get(tenantId);
    if (kept && kept.until > now) return (await kept.configs).get(model) ?? {};
    const configs = read(tenantId);
    known.set(tenantId, { until: now + modelConfigSeconds * 1000, configs });
    try {
      return (await configs).get(model) ?? {};
    } catch (error) {
      // The next call reads again.
      known.delete(tenantId);
      throw error;
    }
  };
}

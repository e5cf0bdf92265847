// The retention table as people see it: what is kept how long, by which setting, and what a pruning would remove now.
import type { RetentionRowView } from '../../../workflows/contracts/retention.ts';
import type { Queries } from '../db/database.ts';
import type { Cutoffs } from './prunings.ts';
import {
  type RetentionRow,
  type RetentionSettings,
  retentionTable,
  type SweepName,
} from './retention-table.ts';
import type { Sweeps } from './sweeps.ts';

// Counted in a second or two on a small machine; beyond it "more" is as good as the number.
const mostCounted = 200_000;

export async function planOf(
  queries: Queries,
  input: {
    tenantId: string;
    sweeps: Sweeps;
    settings: RetentionSettings;
    cutoffs: Cutoffs;
  },
): Promise<RetentionRowView[]> {
  const { tenantId, sweeps, settings, cutoffs } = input;
  const items: RetentionRowView[] = [];
  // One after the other: it must not take the connections of those who work.
  for (const { name, what, why, kept } of retentionTable as readonly RetentionRow[]) {
    const setting = 'setting' in kept ? kept.setting : undefined;
    const swept = name as SweepName;
    const before = cutoffs[swept];
    const amount = before && (await sweeps[swept].measure(queries, { tenantId, before }, mostCounted));
    items.push({
      name,
      what,
      kept: lengthOf(kept, settings),
      setting: setting ? variableOf(setting) : null,
      why,
      goes: amount ? { ...amount, more: amount.rows >= mostCounted, before: before.toISOString() } : null,
    });
  }
  return items;
}

/** As `worker/config` names it: `runsDays` of `retention` is PERDURE_RETENTION_RUNS_DAYS. */
function variableOf(setting: keyof RetentionSettings): string {
  return `PERDURE_RETENTION_${setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

function lengthOf(kept: RetentionRow['kept'], settings: RetentionSettings): string {
  if ('words' in kept) return kept.words;
  if ('hours' in kept) return ofHours(kept.hours);
  const count = settings[kept.setting];
  if (count === 0) return 'for ever';
  return `${count} ${kept.setting.endsWith('Months') ? 'month' : 'day'}${count === 1 ? '' : 's'}`;
}

function ofHours(hours: number): string {
  return hours < 48 ? `${hours} hour${hours === 1 ? '' : 's'}` : `${hours / 24} days`;
}

// What a run has from its preset.
import type { Selectable } from 'kysely';
import type { RunPreset } from '../../../workflows/contracts/configuration.ts';
import type { PresetTools, Subagent } from '../../../workflows/contracts/preset.ts';
import type { RunView } from '../../../workflows/contracts/run.ts';
import type { Write } from '../log/events.ts';
import type { Runs } from '../db/tables.ts';

type RunRow = Selectable<Runs>;

/** What its preset said when the run was accepted. */
export interface PresetOfRun extends RunPreset {
  tools?: PresetTools | undefined;
  temperature?: number | undefined;
  /** By name, with presets of their own. */
  subagents?: Subagent[] | undefined;
  /** What its commands find in their environment beside the usual. */
  environment?: Record<string, string> | undefined;
  /** What is left of them; left out where its model did not come from the preset. */
  fallbacks?: string[] | undefined;
}

export function presetOf(run: Pick<RunRow, 'preset'>): PresetOfRun | null {
  return run.preset as PresetOfRun | null;
}

export function presetViewOf(run: Pick<RunRow, 'preset'>): RunView['preset'] {
  const preset = presetOf(run);
  return preset && { id: preset.id, version: preset.version, variables: preset.variables };
}

/** The run goes on with the next of its fallbacks. Answers its name; undefined where none is left. */
export async function goOnWithNextModel({ tx }: Write, run: RunRow): Promise<string | undefined> {
  const preset = presetOf(run);
  const [next, ...fallbacks] = preset?.fallbacks ?? [];
  if (next === undefined) return undefined;
  const left = JSON.stringify({ ...preset, fallbacks });
  await tx.updateTable('runs').set({ model: next, preset: left }).where('id', '=', run.id).execute();
  return next;
}

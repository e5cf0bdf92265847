// Rows in the tables of presets and of what is configured for models.
import { saveModelConfig } from '../../activities/store/presets/model-configs.ts';
import { createPreset, type PresetChange } from '../../activities/store/presets/presets.ts';
import type { Write } from '../../activities/store/log/events.ts';

export async function addPreset(write: Write, change: PresetChange): Promise<void> {
  await createPreset(write, { id: 'teller', name: 'Teller' }, change);
  await saveModelConfig(write, change, { model: 'scripted/hello', version: 0, config: {} });
}

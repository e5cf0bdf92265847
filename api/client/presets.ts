// The part of the client about presets, and what is configured for models.
import type {
  ChangeModelConfigBody,
  ModelConfigListView,
  ModelConfigView,
} from '../../workflows/contracts/model-config.ts';
import type {
  CreatePresetBody,
  ImportPresetBody,
  PresetFileFormat,
  PresetListView,
  PresetView,
  UpdatePresetBody,
} from '../../workflows/contracts/preset.ts';
import type { Transport } from './transport.ts';

export function presetCalls({ json, text }: Transport) {
  const ofModels = '/model-configs';
  const of = (id: string): string => `/presets/${encodeURIComponent(id)}`;
  return {
    presets: (query?: { limit?: number; cursor?: string }) =>
      json<PresetListView>('GET', '/presets', { query: { ...query } }),
    preset: (id: string) => json<PresetView>('GET', of(id)),
    createPreset: (body: CreatePresetBody) => json<PresetView>('POST', '/presets', { body }),
    updatePreset: (id: string, body: UpdatePresetBody) => json<PresetView>('PUT', of(id), { body }),
    deletePreset: (id: string, version: number) => json<undefined>('DELETE', of(id), { query: { version } }),
    presetFile: (id: string, format: PresetFileFormat) => text(`${of(id)}/file`, { query: { format } }),
    modelConfigs: () => json<ModelConfigListView>('GET', ofModels),
    changeModelConfig: (body: ChangeModelConfigBody) => json<ModelConfigView>('PUT', ofModels, { body }),
    deleteModelConfig: (model: string, version: number) =>
      json<undefined>('DELETE', ofModels, { query: { model, version } }),
    importPreset: (body: ImportPresetBody) => json<PresetView>('POST', '/presets/import', { body }),
  };
}

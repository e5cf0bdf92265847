// Presets as files, to keep them in a repository or bring them to another server.
import { z } from 'zod';
import { findPreset } from '../../activities/store/presets/presets.ts';
import { presetId } from '../../workflows/contracts/configuration.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { ImportPresetBody, PresetFileFormat, PresetView } from '../../workflows/contracts/preset.ts';
import type { Routes } from '../parts.ts';
import { writePresetFile } from '../preset-file.ts';
import { importPreset } from '../verbs/change-preset.ts';
import { presetExample } from './examples.ts';
import { problems, refusals } from './problems.ts';

const params = z.object({ id: presetId });

export const presetFileRoutes: Routes = (api, parts) => {
  api.get(
    '/presets/:id/file',
    {
      schema: {
        tags: ['presets'],
        operationId: 'getPresetFile',
        summary: 'A preset as a file',
        description: 'YAML, or TOML with `format=toml`. Whether it is the default is not in it.',
        params,
        querystring: z.strictObject({ format: PresetFileFormat.optional() }),
        response: {
          200: {
            description: 'The file',
            content: {
              'application/yaml': { schema: z.string() },
              'application/toml': { schema: z.string() },
            },
          },
          ...problems,
        },
      },
    },
    async ({ caller, params: { id }, query: { format = 'yaml' } }, reply) => {
      const { preset } = found(await findPreset(parts.db, caller.tenantId, id), `preset ${id}`);
      return reply.type(`application/${format}; charset=utf-8`).send(writePresetFile(preset, format));
    },
  );

  api.post(
    '/presets/import',
    {
      config: {
        example: {
          body: { file: writePresetFile(presetExample, 'yaml'), format: 'yaml' },
          answer: { ...presetExample, version: 1, builtIn: false, default: false },
        },
      },
      schema: {
        tags: ['presets'],
        operationId: 'importPreset',
        summary: 'Make a preset out of a file, or the next version of the one that has its id',
        description: 'The file as GET /presets/{id}/file gives it.',
        body: ImportPresetBody,
        response: {
          200: PresetView,
          ...problems,
          ...refusals('PresetExists', 'PresetBuiltIn', 'VersionStale', 'UnknownModel', 'UnknownPolicy'),
        },
      },
    },
    (request, reply) => parts.mutate(request, reply, importPreset, request.body),
  );
};

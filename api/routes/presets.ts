// Presets: what runs of one kind go by, under a name, in versions.
import { z } from 'zod';
import { findPreset, listPresets, toPresetView } from '../../activities/store/presets/presets.ts';
import { presetId } from '../../workflows/contracts/configuration.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { page } from '../../workflows/contracts/fields.ts';
import {
  CreatePresetBody,
  PresetListView,
  PresetView,
  UpdatePresetBody,
} from '../../workflows/contracts/preset.ts';
import type { Routes } from '../parts.ts';
import { takeIfMatch } from '../plugins/if-match.ts';
import { createPreset, deletePreset, updatePreset } from '../verbs/change-preset.ts';
import { pageExample, presetExample } from './examples.ts';
import { builtInFirst, pageOf } from './paging.ts';
import { problems, refusals } from './problems.ts';

const params = z.object({ id: presetId });
const example = { ...presetExample, version: 1, builtIn: false, default: false };

const lookRoutes: Routes = (api, { db }) => {
  api.get(
    '/presets',
    {
      config: { example: { answer: pageExample(example) } },
      schema: {
        tags: ['presets'],
        operationId: 'listPresets',
        summary: 'Presets in their newest versions, built-in ones first',
        description:
          'A preset is what runs of one kind go by: a model, instructions, tools, a policy, limits.',
        querystring: page,
        response: { 200: PresetListView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) =>
      pageOf(
        query,
        builtInFirst,
        async (asked) => (await listPresets(db, { tenantId, ...asked })).map(toPresetView),
        (view) => view,
      ),
  );

  api.get(
    '/presets/:id',
    {
      config: { example: { answer: example } },
      schema: {
        tags: ['presets'],
        operationId: 'getPreset',
        summary: 'One preset, in its newest version or an older one',
        description: '`version` asks for an older one; runs show the one they began with.',
        params,
        querystring: z.strictObject({
          version: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
        }),
        response: { 200: PresetView, ...problems },
      },
    },
    async ({ caller, params: { id }, query: { version } }, reply) => {
      const which = version === undefined ? id : `${id} in version ${version}`;
      const view = toPresetView(found(await findPreset(db, caller.tenantId, id, version), `preset ${which}`));
      reply.header('etag', `"${view.version}"`);
      return view;
    },
  );
};

const changeRoutes: Routes = (api, parts) => {
  api.post(
    '/presets',
    {
      config: { example: { body: presetExample, answer: example } },
      schema: {
        tags: ['presets'],
        operationId: 'createPreset',
        summary: 'A preset of your own',
        description:
          'What it leaves out, a run has from elsewhere: its conversation, or the defaults of this server.',
        body: CreatePresetBody,
        response: {
          201: PresetView,
          ...problems,
          ...refusals('PresetExists', 'UnknownModel', 'UnknownPolicy'),
        },
      },
    },
    (request, reply) => parts.mutate(request, reply, createPreset, request.body),
  );

  api.put(
    '/presets/:id',
    {
      preValidation: takeIfMatch,
      config: { example: { body: { ...presetExample, version: 1 }, answer: { ...example, version: 2 } } },
      schema: {
        tags: ['presets'],
        operationId: 'updatePreset',
        summary: 'Another version of a preset of your own; runs go on with the version they began with',
        description:
          'All of it, as it is to be. `version`, or the header If-Match, is the version that you have seen: 409 when ' +
          'there is a newer one.',
        params,
        body: UpdatePresetBody,
        response: {
          200: PresetView,
          ...problems,
          ...refusals('PresetBuiltIn', 'VersionStale', 'UnknownModel', 'UnknownPolicy'),
        },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, updatePreset, { ...request.body, presetId: request.params.id }),
  );

  api.delete(
    '/presets/:id',
    {
      schema: {
        tags: ['presets'],
        operationId: 'deletePreset',
        summary: 'Take a preset of your own away; runs that began with it go on',
        description: 'Refused while a conversation that is not archived would go by it.',
        params,
        querystring: z.strictObject({ version: z.coerce.number().int().min(1) }),
        response: { 204: z.null(), ...problems, ...refusals('PresetBuiltIn', 'PresetInUse', 'VersionStale') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, deletePreset, {
        presetId: request.params.id,
        version: request.query.version,
      }),
  );
};

export const presetRoutes: Routes = (api, parts) => {
  lookRoutes(api, parts);
  changeRoutes(api, parts);
};

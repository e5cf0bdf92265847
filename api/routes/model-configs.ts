// Configurations of models: what is sent along to one, whichever run calls it.
import { z } from 'zod';
import { listModelConfigs, toModelConfigView } from '../../activities/store/presets/model-configs.ts';
import {
  ChangeModelConfigBody,
  modelConfigSeconds,
  ModelConfigListView,
  ModelConfigView,
} from '../../workflows/contracts/model-config.ts';
import { modelName } from '../../workflows/contracts/run.ts';
import type { Routes } from '../parts.ts';
import { takeIfMatch } from '../plugins/if-match.ts';
import { changeModelConfig, deleteModelConfig } from '../verbs/change-model-config.ts';
import { at, pageExample } from './examples.ts';
import { problems, refusals } from './problems.ts';

const body = { model: 'scripted/hello', temperature: 0.2, instructions: 'Answer in English.', version: 0 };
const example = { ...body, version: 1, changedAt: at, changedBy: 'ada (cli)' };

export const modelConfigRoutes: Routes = (api, parts) => {
  api.get(
    '/model-configs',
    {
      config: { example: { answer: pageExample(example) } },
      schema: {
        tags: ['presets'],
        operationId: 'listModelConfigs',
        summary: 'What is sent along to models, whichever run calls them',
        description: 'One for each model that has any, by name; the first thousand.',
        response: { 200: ModelConfigListView, ...problems },
      },
    },
    async ({ caller: { tenantId } }) => ({
      items: (await listModelConfigs(parts.db, tenantId)).map(toModelConfigView),
      nextCursor: null,
    }),
  );

  api.put(
    '/model-configs',
    {
      preValidation: takeIfMatch,
      config: { example: { body, answer: example } },
      schema: {
        tags: ['presets'],
        operationId: 'changeModelConfig',
        summary: 'Configure a model',
        description:
          'All of it, as it is to be. It counts for model calls that begin ' +
          `${modelConfigSeconds} seconds later, of runs under way too. A change of instructions makes the provider’s cache of ` +
          'running conversations cold once.',
        body: ChangeModelConfigBody,
        response: {
          200: ModelConfigView,
          ...problems,
          ...refusals('UnknownModel', 'NotRunnable', 'VersionStale'),
        },
      },
    },
    (request, reply) => parts.mutate(request, reply, changeModelConfig, request.body),
  );

  api.delete(
    '/model-configs',
    {
      schema: {
        tags: ['presets'],
        operationId: 'deleteModelConfig',
        summary: 'Take the configuration of a model away',
        description: 'The model stays; it is called as its provider’s settings say.',
        querystring: z.strictObject({
          model: modelName,
          version: z.coerce.number().int().min(1).max(2_147_483_647),
        }),
        response: { 204: z.null(), ...problems, ...refusals('VersionStale') },
      },
    },
    (request, reply) => parts.mutate(request, reply, deleteModelConfig, request.query),
  );
};

// Which models there are, and what is missing where a provider is not configured.
import { ModelListView } from '../../workflows/contracts/system.ts';
import type { Routes } from '../parts.ts';
import { problems } from './problems.ts';

export const modelRoutes: Routes = (api, parts) => {
  api.get(
    '/models',
    {
      config: {
        example: {
          answer: {
            items: [
              {
                provider: 'scripted',
                configured: true,
                missing: null,
                scripted: true,
                models: ['scripted/demo'],
                profile: null,
                default: 'scripted/demo',
              },
            ],
            default: 'scripted/demo',
          },
        },
      },
      schema: {
        tags: ['system'],
        operationId: 'listModels',
        summary: 'Providers and their models',
        description: 'Those that are configured and those that need a setting, which is named.',
        response: { 200: ModelListView, ...problems },
      },
    },
    async () => parts.models(),
  );
};

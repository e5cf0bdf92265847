// The sandboxes runs get, and what each keeps a command from reaching.
import { SandboxListView } from '../../workflows/contracts/system.ts';
import type { Routes } from '../parts.ts';
import { problems } from './problems.ts';

const mount = {
  mode: 'mount',
  contains: { files: false, network: false, processes: false },
  reach: 'contains nothing; a shell reaches what its user can, also the token’s file',
  problem: null,
} as const;

export const sandboxRoutes: Routes = (api, { sandboxes }) => {
  api.get(
    '/sandboxes',
    {
      config: { example: { answer: { items: [mount] } } },
      schema: {
        tags: ['system'],
        operationId: 'listSandboxes',
        summary: 'What a command of a run can reach',
        description: 'Say it to people before they allow a command.',
        response: { 200: SandboxListView, ...problems },
      },
    },
    async () => ({ items: await sandboxes() }),
  );
};

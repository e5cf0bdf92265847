// Finding by some letters of an id: for people at a keyboard, and for the surfaces that print short forms.
import { findByLetters } from '../../activities/store/runs/find-by-letters.ts';
import { FindQuery, FoundListView } from '../../workflows/contracts/find.ts';
import type { Routes } from '../parts.ts';
import { at, runExample, runId } from './examples.ts';
import { problems } from './problems.ts';

const found = { kind: 'run', id: runId, text: runExample.prompt, createdAt: at };

export const findRoutes: Routes = (api, { db }) => {
  api.get(
    '/find',
    {
      config: { example: { answer: { items: [found] } } },
      schema: {
        tags: ['find'],
        operationId: 'find',
        summary: 'Find by some letters of an id',
        description: 'Newest first, at most 10. More than one means that the letters are too few.',
        querystring: FindQuery,
        response: { 200: FoundListView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) => ({ items: await findByLetters(db, { tenantId, ...query }) }),
  );
};

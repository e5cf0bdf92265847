// Memory: the texts that agents and people keep for the later runs of a conversation or of a preset.
import { z } from 'zod';
import { findMemory, listMemory, toMemoryView } from '../../activities/store/presets/memory.ts';
import { id } from '../../workflows/contracts/fields.ts';
import { AddMemoryBody, MemoryListView, MemoryQuery, MemoryView } from '../../workflows/contracts/memory.ts';
import type { Routes } from '../parts.ts';
import { addMemory, deleteMemory } from '../verbs/change-memory.ts';
import { at, pageExample, runId } from './examples.ts';
import { newestFirst, pageOf, usualLimit } from './paging.ts';
import { problems, refusals } from './problems.ts';

const example = {
  id: '0198f3a2-7c41-7d10-9b4e-3a5f6c7d8e9f',
  scope: 'preset',
  key: 'reviewer',
  text: 'Amounts are integers of cents everywhere.',
  runId,
  createdBy: `run ${runId}`,
  createdAt: at,
};

export const memoryRoutes: Routes = (api, parts) => {
  api.get(
    '/memory',
    {
      config: { example: { answer: pageExample(example) } },
      schema: {
        tags: ['conversations'],
        operationId: 'listMemory',
        summary: 'What is kept for later runs, newest first',
        description:
          'Of a conversation, of a preset, of both, or of all. With `find` the best matches come in one page, as a run is ' +
          'told of them.',
        querystring: MemoryQuery,
        response: { 200: MemoryListView, ...problems },
      },
    },
    async ({ query: { conversationId, preset, find, ...query }, caller: { tenantId } }) => {
      const keepers = { tenantId, conversationId, preset };
      if (find === undefined)
        return pageOf(
          query,
          newestFirst,
          (asked) => listMemory(parts.db, { ...keepers, ...asked }),
          toMemoryView,
        );
      const rows = await findMemory(parts.db, { ...keepers, text: find, limit: query.limit ?? usualLimit });
      return { items: rows.map(toMemoryView), nextCursor: null };
    },
  );

  api.post(
    '/memory',
    {
      config: {
        example: {
          body: { preset: 'reviewer', text: example.text },
          answer: { ...example, runId: null, createdBy: 'ada (cli)' },
        },
      },
      schema: {
        tags: ['conversations'],
        operationId: 'addMemory',
        summary: 'Keep a text for the later runs of a conversation or of a preset',
        description:
          'Runs that are accepted from then on are told of it where it has words of their message. It is data, and lifts no policy.',
        body: AddMemoryBody,
        response: { 201: MemoryView, ...problems, ...refusals('UnknownPreset', 'NotRunnable') },
      },
    },
    (request, reply) => parts.mutate(request, reply, addMemory, request.body),
  );

  api.delete(
    '/memory/:id',
    {
      schema: {
        tags: ['conversations'],
        operationId: 'deleteMemory',
        summary: 'Delete one of these texts',
        description: 'Runs that were told of it have it in what they were told.',
        params: z.object({ id }),
        response: { 204: z.null(), ...problems },
      },
    },
    (request, reply) => parts.mutate(request, reply, deleteMemory, { id: request.params.id }),
  );
};

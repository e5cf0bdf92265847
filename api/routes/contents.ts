// Large content by its key: the whole of what an event or a call shows cut.
import { z } from 'zod';
import { found } from '../../workflows/contracts/failures.ts';
import type { Routes } from '../parts.ts';
import { problems } from './problems.ts';

const params = z.object({ key: z.string().regex(/^[0-9a-f]{64}$/, 'must be a content key') });

export const contentRoutes: Routes = (api, parts) => {
  api.get(
    '/contents/:key',
    {
      schema: {
        tags: ['calls'],
        operationId: 'getContent',
        summary: 'Stored content, such as the whole output of a call',
        description: 'The key is in `content` of the call, event or message that shows it cut.',
        params,
        response: {
          200: {
            description: 'The bytes as they were stored.',
            content: { 'application/octet-stream': { schema: z.string() } },
          },
          ...problems,
        },
      },
    },
    async (request, reply) => {
      const { key } = request.params;
      const content = found(await parts.content(request.caller.tenantId, key), `content ${key}`);
      // What an agent wrote is never shown as a page of ours.
      reply.header('content-disposition', 'attachment');
      reply.header('content-security-policy', "default-src 'none'; sandbox");
      return reply.type(content.mediaType).send(content.bytes as never);
    },
  );
};

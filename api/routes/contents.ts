// Large content by its key: the whole of what an event or a call shows cut.
import { z } from 'zod';
import { Failure, found } from '../../workflows/contracts/failures.ts';
import { ContentView, mediaType, mostFileBytes } from '../../workflows/contracts/input-part.ts';
import type { Routes } from '../parts.ts';
import type { Verb } from '../verbs/verb.ts';
import { problems, refusals } from './problems.ts';

const params = z.object({ key: z.string().regex(/^[0-9a-f]{64}$/, 'must be a content key') });

const keep: Verb<ContentView> = async (_parts, _write, _caller, content) => ({ body: content });

const uploadRoute: Routes = (api, parts) => {
  // Bytes of any type, JSON among them, as they come: none are held here.
  api.removeAllContentTypeParsers();
  api.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  api.post(
    '/contents',
    {
      bodyLimit: mostFileBytes,
      config: {
        example: { bytes: true, answer: { key: 'a'.repeat(64), mediaType: 'image/png', size: 48_213 } },
      },
      schema: {
        tags: ['runs'],
        operationId: 'putContent',
        summary: 'Store a file that a message is to carry',
        description:
          `The body is the file itself, at most ${mostFileBytes} bytes, and Content-Type says what it is. A message names ` +
          'its key in a part of the type `content`. What no message names in a day goes again.',
        response: { 201: ContentView, ...problems, ...refusals('PartTooLarge') },
      },
    },
    async (request, reply) => {
      const problem = parts.diskProblem();
      if (problem !== undefined) throw new Failure('DiskFull', problem);
      const [type = ''] = (request.headers['content-type'] ?? '').split(';');
      const named = mediaType.safeParse(type.trim().toLowerCase());
      const kept = named.success ? named.data : 'application/octet-stream';
      const body = (request.body ?? []) as AsyncIterable<Uint8Array>;
      const taken = await parts.takeContent(request.caller.tenantId, kept, body, mostFileBytes);
      if (taken === undefined) {
        reply.header('connection', 'close');
        throw new Failure('PartTooLarge', `A file may have at most ${mostFileBytes} bytes.`);
      }
      // It is what the same request would send again.
      request.bodyHash = taken.key;
      await parts.mutate(request, reply, keep, { ...taken, mediaType: kept });
    },
  );
};

export const contentRoutes: Routes = (api, parts) => {
  void api.register(async (scope) => uploadRoute(scope, parts));

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

// What every file of routes gets: the typed app, what the API is built from, and the two things routes share.
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { ApiDeps } from './deps.ts';
import type { EventStreams } from './stream/event-stream.ts';
import type { Mutate } from './plugins/idempotency.ts';

export type Api = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export interface Parts extends ApiDeps {
  mutate: Mutate;
  streams: EventStreams;
}

export type Routes = (api: Api, parts: Parts) => void;

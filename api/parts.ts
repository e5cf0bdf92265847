// What every file of routes gets: the typed app, what the API is built from, and what routes share. A route reads with
// `db` and changes things by a verb alone: it has no way to open a transaction.
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Db } from '../activities/store/db/database.ts';
import type { ApiDeps } from './deps.ts';
import type { KnownTokens } from './known-tokens.ts';
import type { EventStreams } from './stream/event-stream.ts';
import type { RunWaits } from './stream/run-waits.ts';
import type { Mutate } from './plugins/idempotency.ts';

export type Api = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export interface Parts extends Omit<ApiDeps, 'log'> {
  db: Db;
  mutate: Mutate;
  /** For what changes tasks or what executors hold: a few at once, since each waits for the dispatcher's lock. */
  mutateTasks: Mutate;
  tokens: KnownTokens;
  streams: EventStreams;
  waits: RunWaits;
}

export type Routes = (api: Api, parts: Parts) => void;

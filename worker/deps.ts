// What API and worker processes both stand on, opened from the configuration and closed in reverse.
import path from 'node:path';
import type { Logger } from 'pino';
import { createRedactor, type Redactor } from '../activities/redaction.ts';
import { type Contents, createContents } from '../activities/store/contents.ts';
import { type Database, openDatabase } from '../activities/store/database.ts';
import { createEventLog, type EventLog } from '../activities/store/events.ts';
import { createNotifier } from '../activities/store/notifier.ts';
import type { Config } from './config.ts';

/** What a child role needs beyond the settings: where its two servers are, embedded or not. */
export type RoleConfig = Config & { readonly databaseUrl: string; readonly temporalAddress: string };

export interface Store {
  database: Database;
  log: EventLog;
  contents: Contents;
  redactor: Redactor;
  close(): Promise<void>;
}

export function openStore(input: {
  databaseUrl: string;
  dataFolder: string;
  secrets: readonly string[];
  name: string;
  connections: number;
  logger: Logger;
}): Store {
  const { logger } = input;
  const database = openDatabase({
    url: input.databaseUrl,
    connections: input.connections,
    name: input.name,
    onIdleError: (error) => logger.warn({ err: error }, 'an idle connection to Postgres broke'),
  });
  const notifier = createNotifier(database.pool, (error) =>
    logger.warn({ err: error }, 'readers were not told of new events; they look every second'),
  );
  const redactor = createRedactor([...input.secrets]);
  return {
    database,
    redactor,
    log: createEventLog({ db: database.db, notifier, redact: (text) => redactor.text(text) }),
    contents: createContents(database.db, path.join(input.dataFolder, 'contents')),
    async close() {
      await notifier.close();
      await database.close();
    },
  };
}

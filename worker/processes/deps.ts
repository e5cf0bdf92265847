// What API and worker processes both stand on, opened from the configuration and closed in reverse.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Logger } from 'pino';
import { createRedactor, type Redactor } from '../../activities/store/log/redaction.ts';
import { type Bucket, createBucket } from '../../activities/store/log/bucket.ts';
import { type Contents, createContents } from '../../activities/store/log/contents.ts';
import { type Database, type Db, openDatabase } from '../../activities/store/db/database.ts';
import { slowTransactions } from '../../activities/store/db/transactions.ts';
import { createEventLog, type EventLog } from '../../activities/store/log/events.ts';
import { createNotifier } from '../../activities/store/log/notifier.ts';
import { createChores } from '../chores.ts';
import type { Config } from '../config/config.ts';

/** What a child role needs beyond the settings: where its two servers are, embedded or not. */
export type RoleConfig = Config & { readonly databaseUrl: string; readonly temporalAddress: string };

export interface Store {
  database: Database;
  log: EventLog;
  contents: Contents;
  /** Undefined: large content lies in the data folder. */
  bucket: Bucket | undefined;
  redactor: Redactor;
  close(): Promise<void>;
}

// How long the value of a token that was made anew may be unknown to the redactor; one look at a file each time.
const tokenMs = 1_000;

export function openStore(input: {
  databaseUrl: string;
  dataFolder: string;
  workerOnly: Config['workerOnly'];
  s3: Config['s3'];
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
  const tellSlow = (slow: unknown): void => logger.warn(slow, 'a transaction took long');
  slowTransactions.subscribe(tellSlow);
  const tokenFile = path.join(input.dataFolder, 'token');
  const redactor = createRedactor(input.secrets);
  const chores = createChores(logger);
  const learnToken = (): void => {
    if (existsSync(tokenFile)) redactor.learn(readFileSync(tokenFile, 'utf8'));
  };
  // It is made at the first start, which may be after this process has opened, and may be made anew at any time.
  const stopLearning = chores.every('learning the token', tokenMs, learnToken);
  chores.run('learning the token', learnToken);
  const bucket = bucketOf(input.s3, database.db);
  return {
    database,
    redactor,
    log: createEventLog({ db: database.db, notifier, redact: redactor.text }),
    contents: createContents(
      database.db,
      path.join(input.dataFolder, 'contents'),
      bucket,
      // The server does not see the files of another machine.
      input.workerOnly === 'on' ? Number.POSITIVE_INFINITY : undefined,
    ),
    bucket,
    async close() {
      stopLearning();
      slowTransactions.unsubscribe(tellSlow);
      await notifier.close();
      await database.close();
    },
  };
}

export function bucketOf({ bucket, ...settings }: Config['s3'], db: Db): Bucket | undefined {
  return bucket === undefined ? undefined : createBucket({ bucket, ...settings }, db);
}

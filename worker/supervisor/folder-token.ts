// At a start: the token in the data folder opens the API. One that was lost is made anew and said, so that whoever finds
// the lost file gets in no more.
import type { Logger } from 'pino';
import { type DataFolderToken, ensureFolderToken } from '../../activities/store/access/data-folder-token.ts';
import { defaultTenant, openDatabase } from '../../activities/store/db/database.ts';
import { tokenFileOf } from '../token-file.ts';

const sentences: Partial<Record<DataFolderToken, string>> = {
  remade: 'the file was lost, so it was made anew; what was in it before is revoked',
  revoked: 'that of the data folder is revoked; `perdure tokens remake` makes another',
};

export async function openFolderToken(input: {
  databaseUrl: string;
  dataFolder: string;
  logger: Logger;
  say(line: string): void;
}): Promise<void> {
  const database = openDatabase({ url: input.databaseUrl, connections: 1, name: 'perdure-token' });
  try {
    const token = await ensureFolderToken(database.db, defaultTenant, tokenFileOf(input.dataFolder));
    const sentence = sentences[token];
    if (sentence === undefined) return;
    input.say(`  ${'token'.padEnd(14)} ${sentence}`);
    input.logger.warn({ token }, `token: ${sentence}`);
  } finally {
    await database.close();
  }
}

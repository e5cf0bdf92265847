// At a start: the token in the data folder opens the API. A lost one is made anew, which the user is told; the lost
// file opens nothing any more.
import { type DataFolderToken, ensureFolderToken } from '../../activities/store/access/data-folder-token.ts';
import { defaultTenant, openDatabase } from '../../activities/store/db/database.ts';
import { tokenFileOf } from '../token-file.ts';

const sentences: Partial<Record<DataFolderToken, string>> = {
  remade: 'the file was lost, so it was made anew; what was in it before is revoked',
  revoked: 'that of the data folder is revoked; `perdure tokens remake` makes another',
};

/** Returns what people must be told of it, if anything. */
export async function openFolderToken(dataFolder: string, databaseUrl: string): Promise<string | undefined> {
  const database = openDatabase({ url: databaseUrl, connections: 1, name: 'perdure-token' });
  try {
    return sentences[await ensureFolderToken(database.db, defaultTenant, tokenFileOf(dataFolder))];
  } finally {
    await database.close();
  }
}

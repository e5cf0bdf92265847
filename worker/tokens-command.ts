// `perdure tokens remake`: another token for the data folder, when its file is lost or every token is revoked. A user
// who may write the folder and the database needs no token for it. The value goes into the file and is printed nowhere.
import { existsSync } from 'node:fs';
import { remakeFolderToken } from '../activities/store/access/data-folder-token.ts';
import { defaultTenant, isOfOtherVersion, openDatabase } from '../activities/store/db/database.ts';
import { createRedactor } from '../activities/store/log/redaction.ts';
import { standardStreams } from '../api/cli/terminal/standard-streams.ts';
import { type Config, knownSecrets, loadConfig } from './config/config.ts';
import { ConfigProblem } from './config/config-problem.ts';
import { type DataFolder, prepareDataFolder } from './data-folder.ts';
import { followFile } from './logs/log-file.ts';
import { createLogging } from './logs/logging.ts';
import { tokenFileOf } from './token-file.ts';
import { withDatabase } from './with-database.ts';

export async function runTokensCommand([what, ...flags]: string[]): Promise<number> {
  if (what !== 'remake')
    throw new ConfigProblem('On the side of the processes there is: perdure tokens remake.');
  const config = loadConfig({ flags });
  // Else a mistyped folder would become a new one, with an empty database and a token of nothing.
  if (config.databaseUrl === undefined && !existsSync(`${config.dataFolder}/postgres`)) {
    throw new ConfigProblem(
      `There is no server in ${config.dataFolder}: call this where the server was started, or name its folder with --data.`,
    );
  }
  const data = prepareDataFolder(config.dataFolder);
  await withDatabase(config, (url) => remake(url, data.folder));
  log(config, data);
  const { stdout } = standardStreams();
  stdout.write(
    `A new token is in ${data.tokenFile}. The one that was there before is revoked; the audit says so.\n`,
  );
  return 0;
}

async function remake(url: string, dataFolder: string): Promise<void> {
  const database = openDatabase({ url, connections: 1, name: 'perdure-tokens' });
  try {
    await remakeFolderToken(database.db, defaultTenant, tokenFileOf(dataFolder));
  } catch (error) {
    if (!isOfOtherVersion(error)) throw error;
    throw new Error('The database is of another version of Perdure: bring it up with `perdure db up` first.');
  } finally {
    await database.close();
  }
}

function log(config: Config, data: DataFolder): void {
  const redactor = createRedactor(knownSecrets(config));
  const logging = createLogging({
    service: 'supervisor',
    level: 'info',
    redact: (text) => redactor.text(text),
    to: followFile(data.logFile('supervisor')),
  });
  logging.logger.warn('token: the one of the data folder was made anew with `perdure tokens remake`');
  logging.flush();
}

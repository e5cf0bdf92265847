// `perdure backup now | list | check | restore NAME`: backups of the database of the configuration, or of the embedded one,
// which is started for it when it does not run. It needs no server of ours.
import path from 'node:path';
import { listBackups, toMegabytes } from '../activities/store/db/backup-folder.ts';
import { restoreBackup } from '../activities/store/db/restore.ts';
import { standardStreams } from '../api/cli/terminal/standard-streams.ts';
import type { BackupView } from '../workflows/contracts/system.ts';
import { checkBackup, makeBackup } from './backups.ts';
import { loadConfig } from './config/config.ts';
import { ConfigProblem } from './config/config-problem.ts';
import { backupFolder } from './data-folder.ts';
import { withDatabase } from './with-database.ts';

const commands = ['now', 'list', 'check', 'restore'];

export async function runBackupCommand([what = '', ...rest]: string[]): Promise<number> {
  if (!commands.includes(what))
    throw new ConfigProblem(`perdure backup takes one of: ${commands.join(', ')}.`);
  const json = rest.includes('--json');
  const [name, flags] = what === 'restore' ? nameOf(rest) : ['', rest.filter((each) => each !== '--json')];
  const config = loadConfig({ flags });
  const { dataFolder } = config;
  const folder = backupFolder(dataFolder);
  const text =
    // Without the database, which may be what was lost.
    what === 'list'
      ? await listed(folder, json)
      : await withDatabase(config, async (url) => {
          if (what === 'now') return makeBackup(dataFolder, url);
          if (what === 'check') return checkBackup(dataFolder, url);
          const { tables } = await restoreBackup(url, path.resolve(folder, name));
          return `The database has the ${tables.length} tables of ${name}. Runs that were at work then are ended by the next start; bring back the folder \`contents\` too, if that was lost.`;
        });
  standardStreams().stdout.write(`${text}\n`);
  return 0;
}

async function listed(folder: string, json: boolean): Promise<string> {
  const { items, problem } = await listBackups(folder, new Date());
  if (json) return JSON.stringify(items, undefined, 2);
  return [...items.map(lineOf), ...(problem === null ? [] : [problem])].join('\n');
}

function nameOf([name, ...flags]: string[]): [string, string[]] {
  if (name === undefined || name.startsWith('-'))
    throw new ConfigProblem('perdure backup restore needs the name of a backup, or its folder, after it.');
  return [name, flags];
}

function lineOf({ name, bytes, rows, check }: BackupView): string {
  const checked =
    check === null
      ? 'not checked'
      : (check.problem ?? `${check.restored ? 'restored' : 'read'} on trial ${check.at}`);
  return `${name}  ${toMegabytes(bytes).padStart(11)}  ${String(rows).padStart(9)} rows  ${checked}`;
}

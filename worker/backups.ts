// Backups of the database in the data folder.
import { createBackups } from '../activities/store/db/backups.ts';
import { backupFolder } from './data-folder.ts';

export function makeBackup(dataFolder: string, url: string): Promise<string> {
  return createBackups(url, backupFolder(dataFolder)).make();
}

export function checkBackup(dataFolder: string, url: string): Promise<string> {
  return createBackups(url, backupFolder(dataFolder)).check();
}

// Making and checking backups is work for minutes, with packages of its own: it is done in a process that ends with it.
import type { Jobs } from '../../api/upkeep/job-chore.ts';
import type * as backups from '../backups.ts';
import { inChild } from '../in-child.ts';

const module = new URL('../backups.ts', import.meta.url);

export function backupJobs(dataFolder: string, url: string): Jobs {
  return {
    backup: () => inChild<typeof backups, 'makeBackup'>(module, 'makeBackup', dataFolder, url),
    'backup-check': () => inChild<typeof backups, 'checkBackup'>(module, 'checkBackup', dataFolder, url),
  };
}

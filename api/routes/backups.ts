// The backups of the database in the data folder of this server. They are made and brought back by `perdure backup` and by
// schedules.
import { BackupListView } from '../../workflows/contracts/system.ts';
import type { Routes } from '../parts.ts';
import { at } from './examples.ts';
import { problems } from './problems.ts';

const backup = {
  name: '20260105T093000Z',
  createdAt: at,
  bytes: 41_200_000,
  rows: 310_400,
  check: { at, restored: true, problem: null },
};

export const backupRoutes: Routes = (api, { backups }) => {
  api.get(
    '/backups',
    {
      config: { example: { answer: { items: [backup], problem: null } } },
      schema: {
        tags: ['system'],
        operationId: 'listBackups',
        summary: 'Backups, newest first, with what a check of each has found',
        description: '`problem` says when they have stopped, or have never begun.',
        response: { 200: BackupListView, ...problems },
      },
    },
    () => backups(),
  );
};

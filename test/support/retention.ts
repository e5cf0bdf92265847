// Pruning in tests: nothing in any data folder, and rows made old.
import type { FolderSweeps } from '../../activities/store/retention/sweeps.ts';
import type { Sweep } from '../../activities/store/retention/sweep.ts';

const nothing: Sweep = {
  measure: async () => ({ rows: 0, bytes: 0 }),
  batch: async () => ({ rows: 0, bytes: 0, more: false }),
};

/** Where there is no data folder. */
export const noFolders: FolderSweeps = { workFolders: nothing, trees: nothing };

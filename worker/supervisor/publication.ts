// processes.json: what runs, where, and how it is, for all other processes. Written whole on each change.
import { existsSync } from 'node:fs';
import { processNames, type ProcessView } from '../../workflows/contracts/system.ts';
import { version } from '../version.ts';
import type { Chores } from '../chores.ts';
import type { KeptProcess } from './process/keep-running.ts';
import { runningProcess } from '../process-table.ts';
import { writeFileWhole } from '../write-file-whole.ts';

export interface Publication {
  places(url: string | null, temporalUi: string | null): void;
  /** A server that is used and not ours. */
  external(name: 'postgres' | 'temporal', address: string): void;
  write(): void;
  /** Writes it again where it was removed, or an earlier write failed. */
  keep(): void;
}

/** With the start time, so that a pid that was given to another process since is not taken for ours. */
function withStart(view: ProcessView): ProcessView & { started: string | null; version: string } {
  const started = view.pid === null ? undefined : runningProcess(view.pid)?.started;
  return { ...view, started: started ?? null, version };
}

export function createPublication(
  file: string,
  chores: Chores,
  kept: () => (KeptProcess | undefined)[],
): Publication {
  const external: ProcessView[] = [];
  let url: string | null = null;
  let temporalUi: string | null = null;
  let written = false;

  function writeNow(): void {
    const self: ProcessView = {
      name: 'supervisor',
      pid: process.pid,
      address: null,
      health: 'up',
      restarts: 0,
    };
    const known = [self, ...kept().flatMap((part) => part?.view() ?? []), ...external];
    const views = processNames.flatMap((name) => known.filter((view) => view.name === name));
    const text = JSON.stringify({ version, url, temporalUi, processes: views.map(withStart) }, undefined, 2);
    written = false;
    writeFileWhole(file, `${text}\n`);
    written = true;
  }

  // The processes go on, even if the file cannot be written.
  const write = (): void => chores.run('publishing what runs', writeNow);

  return {
    places(newUrl, newTemporalUi) {
      url = newUrl;
      temporalUi = newTemporalUi;
      write();
    },
    external(name, address) {
      external.push({ name, pid: null, address, health: 'external', restarts: 0 });
      write();
    },
    write,
    keep() {
      if (!written || !existsSync(file)) write();
    },
  };
}

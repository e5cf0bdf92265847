// What the API can say and do about its own supervisor's processes; nothing where there is no supervisor.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { seenNow } from '../../activities/host/published-processes.ts';
import { copyDemo } from '../../api/demo.ts';
import type { EmbeddedDeps } from '../../api/deps.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { ProcessView } from '../../workflows/contracts/system.ts';
import { isRunning } from '../process-table.ts';

interface ProcessesFile {
  version: string;
  url: string | null;
  temporalUi: string | null;
  processes: (ProcessView & { started: string | null })[];
}

export async function embeddedDeps(dataFolder: string): Promise<EmbeddedDeps | undefined> {
  const file = path.join(dataFolder, 'processes.json');
  const read = async (): Promise<ProcessesFile | undefined> => {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    return text === undefined ? undefined : (JSON.parse(text) as ProcessesFile);
  };
  const started = await read();
  // The file may be an earlier supervisor's: ours is our parent.
  const supervised = started?.processes.some(
    ({ name, pid }) => name === 'supervisor' && pid === process.ppid,
  );
  if (!supervised) return undefined;
  return {
    async processes() {
      const now = await read();
      // The file has more fields, which a kill needs.
      const items = seenNow(now?.processes ?? []).map(
        ({ name, pid, address, health, restarts }): ProcessView => ({ name, pid, address, health, restarts }),
      );
      return { embedded: true, items, temporalUi: now?.temporalUi ?? null };
    },
    async kill(name) {
      const found = (await read())?.processes.find((candidate) => candidate.name === name);
      // A process id that has gone to another process since is not ours to kill.
      if (!found?.pid || !found.started || !isRunning({ pid: found.pid, started: found.started })) {
        throw new Failure('NotFound', `There is no process "${name}" to kill right now.`);
      }
      process.kill(found.pid, 'SIGKILL');
    },
    copyDemo: () => copyDemo(dataFolder),
  };
}

// I14: what the platform uses while it is mistreated, and what is left over when all runs have ended.
import { readdirSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import pg from 'pg';
import type { Platform } from '../support/platform.ts';
import type { Finding } from './evidence.ts';

export interface ResourceWatch {
  /** Call it when every run has ended and the platform is ready. */
  finish(): Promise<Finding>;
}

const everyMs = 500;
// API 16, worker 36, both listeners and a release: anything above has leaked.
const mostConnections = 70;

/** `work` holds everything of this run, `temporary` is what its processes take for the system's folder. */
export function watchResources(
  platform: Platform,
  folders: { work: string; temporary: string },
): ResourceWatch {
  const peaks = new Map<string, number>();
  const timer = setInterval(() => {
    for (const { name, pid } of platform.processes()) {
      if (pid !== null) peaks.set(name, Math.max(peaks.get(name) ?? 0, residentBytes(pid)));
    }
  }, everyMs);
  return {
    async finish() {
      clearInterval(timer);
      const orphans = processesOfCalls([folders.work, platform.data]);
      const connections = await countConnections(platform.databaseUrl);
      const temporary = (await readdir(folders.temporary)).length;
      const violations: Finding['violations'] = [];
      if (orphans.length > 0) {
        violations.push({ invariant: 'I14', problem: `processes of calls are left: ${orphans.join(', ')}` });
      }
      if (connections > mostConnections) {
        violations.push({ invariant: 'I14', problem: `${connections} database connections are open` });
      }
      const rss = [...peaks].map(([name, bytes]) => `${name} ${Math.round(bytes / 1048576)}`).join(', ');
      return {
        violations,
        figures: {
          'peak RSS in MiB': rss,
          'processes of calls left': orphans.length,
          'database connections at the end': connections,
          'temporary files left': temporary,
        },
      };
    },
  };
}

function residentBytes(pid: number): number {
  const pages = read(`/proc/${pid}/statm`).split(' ')[1];
  // Pages of 4 KiB on every machine these tests run on.
  return Number(pages ?? 0) * 4096;
}

/** Processes that carry the mark of a call and were started in this platform's folders. */
function processesOfCalls(folders: readonly string[]): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const environment = read(`/proc/${pid}/environ`);
      return environment.includes('PERDURE_CALL=') && folders.some((folder) => environment.includes(folder));
    });
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    // It has ended meanwhile, or belongs to another user and may not be read.
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

async function countConnections(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ count: string }>(
    `select count(*) from pg_stat_activity where backend_type = 'client backend'`,
  );
  await client.end();
  return Number(rows[0]?.count ?? 0);
}

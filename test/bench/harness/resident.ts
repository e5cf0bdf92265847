// The memory of processes as the kernel counts it: PSS, in which a page that several share counts in parts. And for ours,
// how much of it is V8's heap: each writes that down when it is asked by a signal (`heap-probe.ts`).
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Resident {
  name: string;
  /** All of it, in MB. */
  pss: number;
  /** Pages of its own, without those of programs and libraries. */
  own: number;
  /** Of a process of Node's: V8's heap of its main thread. */
  heap?: number;
}

/** How the processes must be started for `heap` to be known. */
export async function heapProbes(): Promise<{ folder: string; environment: Record<string, string> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-heaps-'));
  const probe = path.join(import.meta.dirname, 'heap-probe.ts');
  return { folder, environment: { NODE_OPTIONS: `--import=${probe}`, HEAP_PROBE_FOLDER: folder } };
}

/** Only Linux counts in parts. */
export function countsShares(): boolean {
  return existsSync('/proc/self/smaps_rollup');
}

// A process answers its signal at once unless it collects garbage.
const answerMs = 2_000;

async function heapOf(pid: number, folder: string): Promise<number | undefined> {
  const file = path.join(folder, String(pid));
  if (!existsSync(`${file}.ready`)) return undefined;
  const before = await readFile(file, 'utf8').catch(() => '');
  process.kill(pid, 'SIGPROF');
  for (const end = Date.now() + answerMs; Date.now() < end; await sleep(20)) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text !== before && text.endsWith('\n')) return Number(text.split(' ')[1]) / 1024 ** 2;
  }
  return undefined;
}

function nameOf(pid: number): string {
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  const [, role] = /worker\/main\.ts (\w+)/.exec(command) ?? [];
  if (role !== undefined) return role === 'serve' ? 'supervisor' : role;
  if (command.includes('server start-dev')) return 'temporal';
  return /postgres/.test(command) ? 'postgres' : 'other';
}

/** By name, with the processes of Postgres as one; largest first. One that has ended meanwhile is left out. */
export async function residentOf(pids: readonly number[], folder: string): Promise<Resident[]> {
  const found = new Map<string, Resident>();
  for (const pid of pids) {
    const heap = await heapOf(pid, folder).catch(() => undefined);
    const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const figure = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1]) / 1024;
    const name = nameOf(pid);
    const before = found.get(name) ?? { name, pss: 0, own: 0 };
    found.set(name, {
      ...before,
      pss: before.pss + figure('Pss'),
      own: before.own + figure('Pss_Anon'),
      ...(heap !== undefined && { heap }),
    });
  }
  return [...found.values()].toSorted((one, other) => other.pss - one.pss);
}

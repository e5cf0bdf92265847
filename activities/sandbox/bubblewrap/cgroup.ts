// A cgroup for each command, where the worker may make one: in it the kernel gives no more memory than the limit, and
// starts no more processes. By its other limit of processes (RLIMIT_NPROC) it holds every user but root.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { identityOf, isDeadWorker } from '../group/process-group.ts';
import type { Limits } from './watch.ts';

type Held = 'processes' | 'memory';

export interface Cgroup {
  /** A program that goes into it; another with its arguments follows. Empty where there is none. */
  enter: string[];
  /** Whether the kernel has ended something in it for memory. */
  wasShort(): boolean;
  remove(): Promise<void>;
}

/** Where they can be made. */
interface Parent {
  path: string;
  holds: Held[];
}

export interface Cgroups {
  /** What of a command the kernel does not hold. */
  lacks(): Promise<Held[]>;
  make(limits: Limits): Promise<Cgroup>;
  /** Those of dead workers, once nothing runs in them. */
  removeLeft(): Promise<void>;
}

const counters = ['pids', 'memory'];
const prefix = 'perdure-';
// The kernel counts threads, of which programs have several; processes are counted by the watch, which ends a command that
// has too many.
const threadsPerProcess = 2;
// Moving one process takes a millisecond. On a machine that stands still it may take seconds, and what is not found then is
// done without for as long as the worker lives.
const trialMs = 10_000;
const trialLimits: Limits = { memoryBytes: 2 ** 26, processes: 2 };
// What was killed is counted for a moment longer.
const [looks, lookMs] = [40, 25];

const into = 'until [ "$1" = -- ]; do echo 0 >"$1/cgroup.procs" || exit; shift; done; shift; exec "$@"';

const enterOf = (folders: readonly string[]): string[] =>
  folders.length > 0 ? ['/bin/sh', '-c', into, 'sh', ...folders, '--'] : [];

// By the names of the older kind of cgroup or of the newer one, in the order in which the kernel takes them. A limit without
// the one for swap would only make it swap.
const filesFor = ({ memoryBytes, processes }: Limits): [Held, Record<string, number>][] => [
  ['processes', { 'pids.max': processes * threadsPerProcess }],
  ['memory', { 'memory.limit_in_bytes': memoryBytes, 'memory.memsw.limit_in_bytes': memoryBytes }],
  ['memory', { 'memory.max': memoryBytes, 'memory.swap.max': 0 }],
];

export function createCgroups(isRoot = process.getuid?.() === 0): Cgroups {
  let parents: Promise<Parent[]> | undefined;
  const find = (): Promise<Parent[]> => (parents ??= findParents());
  return {
    async lacks() {
      const held = (await find()).flatMap(({ holds }) => holds);
      const wanted: Held[] = isRoot ? ['processes', 'memory'] : ['memory'];
      return wanted.filter((each) => !held.includes(each));
    },
    async make(limits) {
      const folders: string[] = [];
      for (const { path } of await find()) folders.push((await makeIn(path, limits)).folder);
      return {
        enter: enterOf(folders),
        wasShort: () => folders.some(wasShort),
        remove: async () => void (await Promise.all(folders.map(removeEmpty))),
      };
    },
    async removeLeft() {
      for (const { path } of await find()) {
        const left = (await readdir(path)).filter((name) => isOfDeadWorker(name));
        await Promise.all(left.map((name) => removeEmpty(join(path, name))));
      }
    },
  };
}

async function makeIn(parent: string, limits: Limits): Promise<{ folder: string; holds: Held[] }> {
  const of = encodeURIComponent(identityOf(process.pid));
  const folder = join(parent, `${prefix}${of}@${randomBytes(8).toString('hex')}`);
  await mkdir(folder);
  const there = filesFor(limits).filter(([, files]) =>
    Object.keys(files).every((name) => existsSync(join(folder, name))),
  );
  for (const [name, value] of there.flatMap(([, files]) => Object.entries(files)))
    await writeFile(join(folder, name), String(value));
  return { folder, holds: there.map(([held]) => held) };
}

function wasShort(folder: string): boolean {
  const told = ['memory.oom_control', 'memory.events'].map((name) => read(join(folder, name)));
  return told.some((text) => /^oom_kill [1-9]/m.test(text));
}

function isOfDeadWorker(name: string): boolean {
  const [, of] = /^perdure-(.*)@[0-9a-f]{16}$/.exec(name) ?? [];
  return of !== undefined && isDeadWorker(decodeURIComponent(of));
}

/** The kernel keeps one in which something lives; the next start looks again. */
async function removeEmpty(folder: string): Promise<void> {
  for (let look = 0; look < looks; look += 1) {
    try {
      return await rmdir(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') return;
      await sleep(lookMs);
    }
  }
}

/** Where they can be made and gone into, as near to the worker's own as may be, whose limits then hold as well. */
async function findParents(): Promise<Parent[]> {
  const found: Parent[] = [];
  for (const path of candidates(read('/proc/self/cgroup'), read('/proc/self/mountinfo'))) {
    let folder: string | undefined;
    try {
      const made = await makeIn(path, trialLimits);
      folder = made.folder;
      const [program, ...given] = [...enterOf([folder]), '/bin/true'];
      await promisify(execFile)(program, given, { timeout: trialMs });
      const known = found.flatMap(({ holds }) => holds);
      if (made.holds.some((held) => !known.includes(held))) found.push({ path, holds: made.holds });
    } catch {
      // Read-only, or another's.
    } finally {
      if (folder !== undefined) await removeEmpty(folder);
    }
  }
  return found;
}

/** Those of the older kind have a tree for each counter. In the newer one the nearest with a counter comes first. */
function candidates(own: string, mounts: string): string[] {
  // `number:counters:path`; the newer kind has the number 0 and no counters here.
  const entries = own.split('\n').map((line) => /^(\d+):([^:]*):(.*)$/.exec(line)?.slice(1) ?? []);
  const [, , unified] = entries.find(([number]) => number === '0') ?? [];
  const found: string[] = [];
  for (const line of mounts.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root = '', point = ''] = before.split(' ');
    const [kind, , options = ''] = after.split(' ');
    const at = (path: string): string => join(point, root === '/' ? path : path.replace(root, ''));
    const counts = counters.filter((each) => options.split(',').includes(each));
    const [, , old] =
      entries.find(([, names = '']) => counts.some((each) => names.split(',').includes(each))) ?? [];
    if (kind === 'cgroup' && old !== undefined) found.push(at(old));
    if (kind === 'cgroup2' && unified !== undefined)
      for (let folder = at(unified); folder.startsWith(point); folder = dirname(folder)) {
        const given = read(join(folder, 'cgroup.subtree_control')).split(/\s/);
        if (counters.some((each) => given.includes(each))) found.push(folder);
        if (folder === point) break;
      }
  }
  return found.filter(existsSync);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

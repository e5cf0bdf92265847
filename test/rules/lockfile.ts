// The lockfile must name the optional packages of every platform, or `npm ci` refuses it everywhere. npm leaves out
// those it could not look up. Run as a program, this file adds them: `node test/rules/lockfile.ts`.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface LockEntry {
  version?: string;
  resolved?: string;
  license?: string;
  dev?: boolean;
  peer?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

export type LockPackages = Record<string, LockEntry>;

interface Missing {
  name: string;
  version: string;
  of: LockEntry;
}

const systems = ['darwin', 'linux', 'win32', 'android', 'freebsd', 'openharmony'];
const processors = ['x64', 'arm64', 'arm', 'ia32', 'ppc64', 's390x', 'riscv64'];

export function missingOptional(packages: LockPackages): Missing[] {
  return Object.entries(packages).flatMap(([place, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !packages[`${place}/node_modules/${name}`] && !packages[`node_modules/${name}`])
      .map(([name, version]) => ({ name, version, of: entry })),
  );
}

/** What such a package's name says about its platform; npm skips it elsewhere without looking it up. */
function toEntry({ name, version, of }: Missing): LockEntry {
  const words = name.split(/[/-]/);
  const system = systems.find((each) => words.includes(each));
  const processor = processors.find((each) => words.includes(each));
  if (!system || !processor) throw new Error(`The name ${name} does not say its platform: add it by hand.`);
  const isMusl = words.includes('musl');
  const hasMuslSibling = Object.keys(of.optionalDependencies ?? {}).includes(`${name}-musl`);
  const isGlibc = words.includes('gnu') || (system === 'linux' && hasMuslSibling);
  return {
    version,
    cpu: [processor],
    ...(of.dev ? { dev: true } : {}),
    ...(isMusl || isGlibc ? { libc: [isMusl ? 'musl' : 'glibc'] } : {}),
    ...(of.license ? { license: of.license } : {}),
    optional: true,
    os: [system],
    ...(of.peer ? { peer: true } : {}),
  };
}

function completeLockfile(file: string): number {
  const lockfile = JSON.parse(readFileSync(file, 'utf8')) as { packages: LockPackages };
  const missing = missingOptional(lockfile.packages);
  const added = missing.map((each) => [`node_modules/${each.name}`, toEntry(each)] as const);
  const sorted = [...Object.entries(lockfile.packages), ...added].sort(([left], [right]) =>
    left.localeCompare(right, 'en'),
  );
  writeFileSync(file, `${JSON.stringify({ ...lockfile, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
  return missing.length;
}

if (import.meta.main) {
  const count = completeLockfile(path.join(import.meta.dirname, '../../package-lock.json'));
  console.log(`${count} packages added.`);
}

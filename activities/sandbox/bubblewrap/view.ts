// What a command sees of the machine: programs and what they need to start, read-only; the run's work tree, to write in;
// nothing else. It is a list of what is there, so what is not named here cannot be reached.
import { existsSync, readdirSync } from 'node:fs';
import { lstat, readlink, realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { home } from '../tree/stand-ins.ts';
import type { StandIns } from './stand-ins.ts';
import type { Shown } from '../tree/beside.ts';
import type { Guarded } from '../tree/guarded.ts';

// Where systems keep programs and libraries. Some are links into /usr.
const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt', '/nix/store'];

// Of /etc what programs need to start and to know the world, and nothing that says who may do what here.
const systemFiles = [
  // The loader, and which of several programs a name stands for.
  ...['ld.so.cache', 'ld.so.conf', 'ld.so.conf.d', 'alternatives'],
  // Time, text and types of files.
  ...['localtime', 'timezone', 'locale.alias', 'mime.types', 'magic', 'terminfo', 'inputrc'],
  // Which certificates to trust.
  ...['ssl/certs', 'ca-certificates.conf', 'pki/tls/certs', 'pki/ca-trust/extracted'],
  // Names of services and protocols.
  ...['services', 'protocols', 'nsswitch.conf', 'os-release'],
  // Fonts and the catalogues of XML, for programs that make documents.
  ...['fonts', 'xml', 'sgml'],
];

// What of /proc sets the kernel of the whole machine. For a worker that is root bubblewrap itself leaves it writable.
const kernelSettings = ['sys', 'sysrq-trigger', 'irq', 'bus', 'fs', 'acpi', 'scsi', 'driver', 'mtrr'];

// Interpreters keep settings in /etc under names with their version.
const interpreters = /^(python|perl|php|lua|ruby|java-)[\w.-]*$/;

export interface View {
  /** The real path of the directory a run works in; it keeps its path. */
  tree: string;
  /** Other projects, each at its path, to be read. */
  beside: readonly Shown[];
  /** Where commands find programs, joined by colons. */
  programs: string;
  /** Real paths of folders of ours, empty here wherever they lie. */
  hidden: readonly string[];
  standIns: StandIns;
  guarded: Guarded;
}

/** Arguments of bubblewrap, up to the program it starts. */
export async function viewArguments({
  tree,
  beside,
  programs,
  hidden,
  standIns,
  guarded,
}: View): Promise<string[]> {
  const system = await Promise.all(systemFolders.map(systemFolder));
  const folders = await programFolders(programs, [tree, ...hidden]);
  const shown = [...systemFolders, ...folders];
  // A service may have its home below /opt.
  const covered = [homedir(), ...hidden].filter((each) => shown.some((folder) => isBelow(each, folder)));
  return [
    ...['--unshare-all', '--unshare-user', '--disable-userns', '--die-with-parent', '--cap-drop', 'ALL'],
    ...['--hostname', 'perdure'],
    ...system.flat(),
    ...etcNames().flatMap((name) => ['--ro-bind-try', `/etc/${name}`, `/etc/${name}`]),
    ...standIns.files.flatMap(([from, to]) => ['--ro-bind', from, to]),
    ...['--proc', '/proc'],
    ...kernelSettings.flatMap((name) => ['--ro-bind-try', `/proc/${name}`, `/proc/${name}`]),
    ...['--dev', '/dev', '--tmpfs', '/tmp', '--tmpfs', home, '--dir', '/var/tmp'],
    ...covered.flatMap((each) => ['--tmpfs', each]),
    ...folders.flatMap((each) => ['--ro-bind-try', each, each]),
    ...beside.flatMap((each) => readOnly(each, standIns)),
    ...['--bind', tree, tree],
    ...guarded.parents.flatMap((each) => ['--bind', each, each]),
    ...guarded.readOnly.flatMap((each) => ['--ro-bind', each, each]),
    ...guarded.covered.flatMap((each) => ['--tmpfs', each]),
    ...guarded.sockets.flatMap((each) => ['--ro-bind', standIns.empty, each]),
    ...['--chdir', tree],
  ];
}

function readOnly({ path, covered, sockets }: Shown, { empty }: StandIns): string[] {
  return [
    ...['--ro-bind', path, path],
    ...covered.flatMap((each) => ['--tmpfs', each]),
    ...sockets.flatMap((each) => ['--ro-bind', empty, each]),
  ];
}

/** Whether a path lies in a folder, or is it. */
function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}

async function systemFolder(path: string): Promise<string[]> {
  const stat = await lstat(path).catch(() => undefined);
  if (stat === undefined) return [];
  return stat.isSymbolicLink() ? ['--symlink', await readlink(path), path] : ['--ro-bind', path, path];
}

function etcNames(): string[] {
  return [...systemFiles, ...readdirSync('/etc').filter((name) => interpreters.test(name))];
}

/**
 * Folders of programs outside the system's. Of one called `bin` also the libraries beside it, and nothing more of what
 * is around it. One that holds what must not be seen is left out.
 */
async function programFolders(programs: string, unseen: readonly string[]): Promise<string[]> {
  const elsewhere = new Set(
    programs
      .split(':')
      .filter((path) => path.startsWith('/') && !systemFolders.some((folder) => isBelow(path, folder))),
  );
  const folders = [...elsewhere].flatMap((path) =>
    basename(path) === 'bin'
      ? [path, ...['lib', 'lib64', 'libexec'].map((each) => join(dirname(path), each))]
      : [path],
  );
  const shown: string[] = [];
  for (const folder of folders.filter(existsSync)) {
    const real = await realpath(folder);
    if (![homedir(), ...unseen].some((each) => isBelow(each, real))) shown.push(folder);
  }
  return shown;
}

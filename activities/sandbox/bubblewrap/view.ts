// What a command sees of the machine: programs and what they need to start, read-only; the run's work tree, to write in;
// nothing else. It is a list of what is there, so what is not named here cannot be reached.
import { lstat, mkdir, readdir, readlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

// Where systems keep programs and libraries. Some are links into /usr.
const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt', '/nix/store'];

// Of /etc what programs need to start and to know the world, and nothing that says who may do what here.
const systemFiles = [
  // The loader, and which of several programs a name is.
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'alternatives',
  // Time, text and types of files.
  'localtime',
  'timezone',
  'locale.alias',
  'mime.types',
  'magic',
  'terminfo',
  'inputrc',
  // Which certificates to trust.
  'ssl/certs',
  'ca-certificates.conf',
  'pki/tls/certs',
  // Names of services and protocols.
  'services',
  'protocols',
  'nsswitch.conf',
  'os-release',
  // Interpreters that keep their settings there.
  'python3',
  'python3.11',
  'python3.12',
  'python3.13',
  'perl',
  'java-17-openjdk',
  'java-21-openjdk',
  'fonts',
  'xml',
  'sgml',
];

const home = '/home/agent';

export interface View {
  /** The real path of the directory a run works in; it keeps its path. */
  tree: string;
  /** Where commands find programs, joined by colons. */
  programs: string;
  /** Folders of ours. One that lies in the tree is empty here. */
  hidden: readonly string[];
  /** Holds the files that stand in for those of /etc. */
  folder: string;
}

/** Arguments of bubblewrap, up to the program it starts. */
export async function viewArguments(view: View): Promise<string[]> {
  const { tree, programs, hidden, folder } = view;
  const etc = await standIns(folder);
  const below = hidden.filter((each) => each === tree || each.startsWith(`${tree}/`));
  return [
    ...['--unshare-all', '--unshare-user', '--disable-userns', '--die-with-parent', '--cap-drop', 'ALL'],
    ...['--hostname', 'perdure'],
    ...(await systemArguments()),
    ...systemFiles.flatMap((name) => ['--ro-bind-try', `/etc/${name}`, `/etc/${name}`]),
    ...etc.flatMap(([from, to]) => ['--ro-bind', from, to]),
    ...(await programFolders(programs)).flatMap((each) => ['--ro-bind-try', each, each]),
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--tmpfs', home, '--dir', '/var/tmp'],
    ...['--bind', tree, tree],
    ...(await gitFolders(tree)).flatMap((each) => ['--ro-bind', each, each]),
    ...below.flatMap((each) => ['--tmpfs', each]),
    ...['--chdir', tree, '--setenv', 'HOME', home],
  ];
}

async function systemArguments(): Promise<string[]> {
  const found = await Promise.all(
    systemFolders.map(async (path) => {
      const stat = await lstat(path).catch(() => undefined);
      if (stat === undefined) return [];
      return stat.isSymbolicLink() ? ['--symlink', await readlink(path), path] : ['--ro-bind', path, path];
    }),
  );
  return found.flat();
}

/** Of folders of programs elsewhere, such as in a home directory, also the libraries beside them. */
async function programFolders(programs: string): Promise<string[]> {
  const elsewhere = programs
    .split(':')
    .filter(
      (path) =>
        path.startsWith('/') && !systemFolders.some((each) => path.startsWith(`${each}/`) || path === each),
    );
  return elsewhere.flatMap((path) =>
    basename(path) === 'bin'
      ? [path, ...['lib', 'lib64', 'libexec'].map((each) => join(dirname(path), each))]
      : [path],
  );
}

/**
 * What git keeps of the repository: a hook or a setting written there would run on the host, by whatever hand starts
 * git next.
 */
async function gitFolders(tree: string): Promise<string[]> {
  const names = await readdir(tree).catch((): string[] => []);
  return names.includes('.git') ? [join(tree, '.git')] : [];
}

/** Who there is in the sandbox: one user, and the machine under its own name. */
async function standIns(folder: string): Promise<[string, string][]> {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const files = {
    passwd: `agent:x:${uid}:${gid}::${home}:/bin/sh\n`,
    group: `agent:x:${gid}:\n`,
    hosts: '127.0.0.1 localhost perdure\n::1 localhost\n',
    'resolv.conf': '',
  };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return Promise.all(
    Object.entries(files).map(async ([name, text]): Promise<[string, string]> => {
      await writeFile(join(folder, name), text);
      return [join(folder, name), `/etc/${name}`];
    }),
  );
}

// A file system for sandboxes without any registry: debootstrap fills it from the package sources of this Debian.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';

const run = promisify(execFile);
const environment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

/** Why this machine cannot do it, with what to do, or undefined. */
export async function hostProblem(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'Only root can make an image from this Debian: call it with sudo.';
  const has = (program: string): Promise<boolean> =>
    run('which', [program], { env: environment }).then(
      () => true,
      () => false,
    );
  if (!(await has('apt-get'))) return 'This machine is no Debian: build the image from a registry instead.';
  if (!(await has('debootstrap'))) return 'Install the package debootstrap.';
  if (!(await has('unshare'))) return 'Install the package util-linux.';
  return undefined;
}

/** `use` gets the whole of it as a tar archive. Nothing of it is left afterwards. */
export async function withHostDebian(
  packages: readonly string[],
  say: (line: string) => void,
  use: (archive: Readable) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-image-'));
  const root = path.join(folder, 'root');
  try {
    const { site, release } = await packageSource();
    say(`Taking ${packages.length} packages of ${release}, and what they need, from ${site}`);
    await fill(root, { packages, site, release }, say);
    const archive = spawn('tar', ['--one-file-system', '-C', root, '-c', ...leftOut, '.'], {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = endOf(archive, 'tar');
    await Promise.all([use(archive.stdout), ended]);
  } finally {
    // Should anything of the machine be mounted in it, it is not entered.
    await run('rm', ['-rf', '--one-file-system', folder], { env: environment });
  }
}

// Only apt needs them, and no command in a sandbox has a network or may write there.
const leftOut = ['./var/cache/apt/archives/*', './var/lib/apt/lists/*', './debootstrap'].flatMap((each) => [
  '--exclude',
  each,
]);

/** Where this machine has its own packages from. */
async function packageSource(): Promise<{ site: string; release: string }> {
  const osRelease = await readFile('/etc/os-release', 'utf8');
  const release = /^VERSION_CODENAME=(\w+)$/m.exec(osRelease)?.[1];
  const format = ['--format', '$(SITE) $(RELEASE) $(COMPONENT)'];
  const { stdout } = await run('apt-get', ['indextargets', ...format, 'Created-By: Packages'], {
    env: environment,
  });
  const lines = stdout.split('\n').map((line) => line.split(' '));
  const site = lines.find(([, name, component]) => name === release && component === 'main')?.[0];
  if (release === undefined || site === undefined)
    throw new Error('The package sources of this machine name no release of their own: see /etc/apt.');
  return { site, release };
}

async function fill(
  root: string,
  { packages, site, release }: { packages: readonly string[]; site: string; release: string },
  say: (line: string) => void,
): Promise<void> {
  // In a mount namespace of its own: what it mounts is gone with it, however it ends.
  const apart = ['--mount', '--propagation', 'private', '--fork', '--kill-child', 'debootstrap'];
  const wanted = ['--variant=minbase', `--include=${packages.join(',')}`, release, root, site];
  const child = spawn('unshare', [...apart, ...wanted], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const last = follow(child.stdout, say);
  child.stderr.on('data', () => {});
  await endOf(child, 'debootstrap', last);
}

const phases: readonly [RegExp, string][] = [
  [/^I: Retrieving (?!InRelease|Packages|Release)/, 'Downloading packages'],
  [/^I: Extracting /, 'Unpacking the base'],
  [/^I: Unpacking /, 'Unpacking packages'],
  [/^I: Configuring /, 'Setting packages up'],
];
const everyLines = 50;

/** Says each phase once, and how far it is. Answers the last line there was. */
function follow(output: Readable, say: (line: string) => void): () => string {
  let [rest, last, count, phase] = ['', '', 0, ''];
  output.on('data', (bytes: Buffer) => {
    const lines = (rest + bytes.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      last = line;
      const now = phases.find(([sign]) => sign.test(line))?.[1];
      if (now === undefined) continue;
      count = now === phase ? count + 1 : 1;
      if (now !== phase || count % everyLines === 0) say(count === 1 ? `${now} …` : `${now}: ${count} …`);
      phase = now;
    }
  });
  return () => last;
}

async function endOf(child: ChildProcess, name: string, last: () => string = () => ''): Promise<void> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (code !== 0) throw new Error(`${name} ended with ${code ?? signal}: ${last()}`.replace(/: $/, '.'));
}

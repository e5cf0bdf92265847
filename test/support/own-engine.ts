// A Docker engine of the test's own, to be killed and started again: beside the machine's, with its own files, socket and
// containerd, and no network. Only root may start one.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Docker from 'dockerode';
import { until } from './platform.ts';

export interface OwnEngine {
  /** Of all that it and containerd keep. */
  folder: string;
  socket: string;
  docker: Docker;
  /** Resolves when it answers. */
  start(): Promise<void>;
  kill(): Promise<void>;
  /** What runs in its containers, as the machine sees it. */
  processes(): string[];
  /** With all that it runs. */
  remove(): Promise<void>;
}

// A quiet machine needs one or two seconds; this only ends a hang.
const upMs = 60_000;

/** Why none can be started here. */
export function ownEngineProblem(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may start a Docker engine';
  const missing = ['dockerd', 'containerd'].find((name) => !isProgram(name));
  return missing && `there is no ${missing}`;
}

function isProgram(name: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(path.join(folder, name)));
}

/** Not started yet. `flags`: of its daemon. */
export async function createOwnEngine(...flags: readonly string[]): Promise<OwnEngine> {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-engine-'));
  const at = (name: string): string => path.join(folder, name);
  const socket = at('docker.sock');
  const docker = new Docker({ socketPath: socket });
  const containerd = spawn(
    'containerd',
    ['--address', at('containerd.sock'), '--root', at('containerd'), '--state', at('state')],
    { stdio: 'ignore' },
  );
  let daemon: ChildProcess | undefined;
  const answers = (): Promise<boolean> =>
    docker.ping().then(
      () => true,
      () => false,
    );
  await until(
    () => existsSync(at('containerd.sock')),
    upMs,
    () => 'containerd does not start',
  );
  return {
    ...{ folder, socket, docker },
    kill: () => ended(daemon, 'SIGKILL'),
    async start() {
      rmSync(at('pid'), { force: true });
      const files = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid')];
      const network = ['--bridge', 'none', '--iptables=false', '--ip6tables=false'];
      const sockets = ['--host', `unix://${socket}`, '--containerd', at('containerd.sock')];
      daemon = spawn('dockerd', [...files, ...network, ...sockets, ...flags], { stdio: 'ignore' });
      await until(answers, upMs, () => 'dockerd does not start', 100);
    },
    processes: () =>
      inContainersOf(at('containerd.sock'))
        .held.map(({ args }) => args)
        // What an engine that dies while it starts a container leaves of its own: nothing of the container's.
        .filter((args) => args !== 'runc init'),
    async remove() {
      // Asked, it ends its containers, too.
      for (const each of [daemon, containerd]) await ended(each, 'SIGTERM');
      const { holders, held } = inContainersOf(at('containerd.sock'));
      for (const { pid } of [...held, ...holders]) process.kill(pid, 'SIGKILL');
      // It mounts its files onto themselves.
      const mounts = readFileSync('/proc/mounts', 'utf8')
        .split('\n')
        .map((line) => line.split(' ')[1] ?? '');
      for (const mount of mounts.filter((each) => each.startsWith(`${folder}/`)).reverse())
        execFileSync('umount', [mount]);
      execFileSync('rm', ['-rf', '--one-file-system', folder]);
    },
  };
}

async function ended(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
}

interface Row {
  pid: number;
  parent: number;
  args: string;
}

/** Each container has a process of containerd's that holds it, and which names containerd's address. */
function inContainersOf(address: string): { holders: Row[]; held: Row[] } {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => {
      const [, pid, parent, args = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
      return pid === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), args }];
    });
  const holders = rows.filter(({ args }) => args.includes('shim') && args.includes(address));
  const all = [...holders];
  for (let at = 0; at < all.length; at += 1)
    all.push(...rows.filter(({ parent }) => parent === all[at]?.pid));
  return { holders, held: all.slice(holders.length) };
}

/** An image of a few programs of this machine, with what they need to start. */
export async function importSmallImage({ docker }: Pick<OwnEngine, 'docker'>, name: string): Promise<void> {
  const programs = ['sh', 'bash', 'grep', 'sleep', 'cat', 'tr', 'head', 'true'].map((each) =>
    execFileSync('which', [each], { encoding: 'utf8' }).trim(),
  );
  const libraries = programs.flatMap((each) =>
    [...execFileSync('ldd', [each], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g)].map(([, file]) => file),
  );
  const given = [...new Set([...programs, '/bin/sh', '/bin/bash', ...libraries])] as string[];
  const tar = spawn('tar', ['-c', '-h', '-P', '--hard-dereference', ...given], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const answer = await docker.importImage(tar.stdout as unknown as string, { repo: name, tag: 'latest' });
  answer.resume();
  await once(answer, 'end');
}

// A machine with things on it that no contained command may reach. Each carries the same word, or shows that it was
// touched.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, realpath } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';

export interface Scene {
  /** In the output of a command: it has read what it must not. */
  word: string;
  project: string;
  outside: string;
  /** Our own data folder, in the project. */
  data: string;
  tcpPort: number;
  /** IPv4 addresses of this machine; that port, another one after each touch, is heard at each. */
  addresses: string[];
  udpPort: number;
  /** Without its leading zero byte. */
  abstractSocket: string;
  /** A process of this machine. Its descriptor 3 is the secret file, and its folder is `outside`. */
  victim: number;
  folder: string;
  /** Something was written, ended or met since the last look; what was changed is put back. */
  wasTouched(): Promise<boolean>;
  dispose(): Promise<void>;
}

/** Gives the project to the user that commands in it have, each time it was made. */
export type GiveAway = (project: string, data: string) => void;

export async function openScene(give: GiveAway): Promise<Scene> {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'perdure-escapes-')));
  const word = `canary-${randomBytes(8).toString('hex')}`;
  const inFolder = (...names: string[]): string => path.join(folder, ...names);
  const [project, outside] = [inFolder('project'), inFolder('outside')];
  const data = path.join(project, 'state', 'perdure');
  prepare(project, outside, data, word);
  give(project, data);
  const meetings = await listen([
    { host: '0.0.0.0', port: 0 },
    { path: path.join(outside, 'socket') },
    { path: path.join(project, 'tree-socket') },
    { path: `\0${word}-socket` },
  ]);
  const datagrams = createSocket('udp4', () => meetings.met()).bind(0, '127.0.0.1');
  await once(datagrams, 'listening');
  let victim = await startVictim(outside, word);
  const planted = ['planted', 'outside/planted', 'project/renamed', 'moved'].map((name) => inFolder(name));
  return {
    ...{ word, project, outside, data, folder },
    get tcpPort() {
      return (meetings.servers[0]!.address() as AddressInfo).port;
    },
    udpPort: datagrams.address().port,
    addresses: Object.values(networkInterfaces()).flatMap((each) =>
      (each ?? []).flatMap(({ family, address }) => (family === 'IPv4' ? [address] : [])),
    ),
    abstractSocket: `${word}-socket`,
    get victim() {
      return victim.pid as number;
    },
    async wasTouched() {
      const isChanged = (file: string, text: string): boolean =>
        !existsSync(file) || readFileSync(file, 'utf8') !== text || (statSync(file).mode & 0o777) !== 0o600;
      const files = [path.join(outside, 'target'), path.join(data, 'token')];
      const touched =
        meetings.take() ||
        files.some((file) => isChanged(file, word)) ||
        planted.some(existsSync) ||
        victim.exitCode !== null ||
        victim.signalCode !== null ||
        isStopped(victim.pid as number);
      for (const file of planted) rmSync(file, { recursive: true, force: true });
      if (touched) {
        await end(victim);
        rmSync(project, { recursive: true, force: true });
        rmSync(outside, { recursive: true, force: true });
        await meetings.close();
        prepare(project, outside, data, word);
        give(project, data);
        await meetings.open();
        victim = await startVictim(outside, word);
      }
      return touched;
    },
    async dispose() {
      await end(victim);
      await meetings.close();
      datagrams.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function prepare(project: string, outside: string, data: string, word: string): void {
  for (const each of [data, outside, path.join(project, 'nested')]) mkdirSync(each, { recursive: true });
  for (const name of ['secret', 'target']) writeFileSync(path.join(outside, name), word, { mode: 0o600 });
  execFileSync('mkfifo', [path.join(outside, 'pipe')]);
  writeFileSync(path.join(data, 'token'), word, { mode: 0o600 });
  writeFileSync(path.join(project, 'file'), 'text\n');
  for (const each of [project, path.join(project, 'nested')]) {
    execFileSync('git', ['init', '-q', each], { env: plainGit });
    execFileSync('git', ['-C', each, 'commit', '-q', '--allow-empty', '-m', 'start'], { env: plainGit });
  }
  // A submodule whose repository is not there.
  mkdirSync(path.join(project, 'module'));
  const link = `160000,${'1'.repeat(40)},module`;
  execFileSync('git', ['-C', project, 'update-index', '--add', '--cacheinfo', link], { env: plainGit });
}

/** As a person's git without settings of that person. */
export const plainGit = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
};

interface Meetings {
  servers: Server[];
  met(): void;
  /** Whether anything was met since it was last asked. */
  take(): boolean;
  open(): Promise<void>;
  close(): Promise<void>;
}

async function listen(places: { host?: string; port?: number; path?: string }[]): Promise<Meetings> {
  let isMet = false;
  const servers = places.map(() =>
    createServer((socket) => {
      isMet = true;
      socket.on('error', () => {}).destroy();
    }),
  );
  const open = async (): Promise<void> => {
    for (const [index, server] of servers.entries()) {
      server.listen({ ...places[index] });
      await once(server, 'listening');
    }
  };
  await open();
  return {
    servers,
    met: () => void (isMet = true),
    take() {
      const was = isMet;
      isMet = false;
      return was;
    },
    open,
    async close() {
      for (const server of servers) {
        server.close();
        await once(server, 'close');
      }
    },
  };
}

async function startVictim(outside: string, word: string): Promise<ChildProcess> {
  const child = spawn(
    '/bin/sh',
    ['-c', 'exec 3<secret 4<>pipe; cat secret >&4; echo up; sleep 600; : "$0"', `argument-${word}`],
    {
      cwd: outside,
      env: { PATH: '/usr/bin:/bin', VARIABLE: `variable-${word}` },
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    },
  );
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

function isStopped(pid: number): boolean {
  const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
  return /\) [Tt] /.test(stat);
}

async function end(child: ChildProcess): Promise<void> {
  try {
    process.kill(-(child.pid as number), 'SIGKILL');
  } catch {
    // A probe has ended it.
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

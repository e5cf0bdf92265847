// Finds the Temporal program, or fetches or builds it once per user: PATH, the copy kept before, what Go installed,
// the official download, then a build. Says what it is doing whenever that takes longer than a moment.
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { downloadTemporal } from './temporal-download.ts';

export interface ExecutableInput {
  /** Kept outside the checkout, so that a fresh clone does not fetch it again. */
  cacheFolder?: string;
  downloadOrigin?: string;
  say?(line: string): void;
  /** Ends a download or a build; what was half there is removed. */
  signal?: AbortSignal;
}

const run = promisify(execFile);

// The newest version that Go can install by name; its server is 1.29.1.
const version = '1.5.1';
// Older servers lack settings that we start it with.
const oldestServer = [1, 27] as const;

/** Looked up by the shell, so that this file needs no environment of its own. */
async function onPath(name: string): Promise<string | undefined> {
  try {
    return (await run('/bin/sh', ['-c', 'command -v "$1"', 'sh', name])).stdout.trim() || undefined;
  } catch {
    // The shell answers "not there" by its exit code.
    return undefined;
  }
}

async function executableProblem(file: string): Promise<string | undefined> {
  let answer: string;
  try {
    answer = (await run(file, ['--version'], { timeout: 10_000 })).stdout;
  } catch (error) {
    return `${file} does not run (${(error as Error).message.split('\n')[0]})`;
  }
  const [, major, minor] = /Server (\d+)\.(\d+)/.exec(answer) ?? [];
  const old =
    Number(major) < oldestServer[0] || (Number(major) === oldestServer[0] && Number(minor) < oldestServer[1]);
  if (major === undefined || old)
    return `${file} is too old (${answer.trim()}); it takes server ${oldestServer.join('.')}`;
  return undefined;
}

async function goInstalled(): Promise<string | undefined> {
  const go = await onPath('go');
  if (go === undefined) return undefined;
  const [bin, goPath] = (await run(go, ['env', 'GOBIN', 'GOPATH'])).stdout.split('\n');
  const folder = bin || path.join((goPath ?? '').split(path.delimiter)[0] ?? '', 'bin');
  const file = path.join(folder, 'temporal');
  return existsSync(file) ? file : undefined;
}

interface Build {
  target: string;
  say(line: string): void;
  signal: AbortSignal | undefined;
}

async function buildTemporal({ target, say, signal }: Build): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(path.join(path.dirname(target), 'build-'));
  const started = Date.now();
  say('Building the Temporal server with Go: about two minutes, once.');
  // Often enough to see that it lives, rarely enough for a log.
  const ticker = setInterval(
    () => say(`Still building: ${Math.round((Date.now() - started) / 1_000)} s`),
    15_000,
  );
  try {
    const settings = [`GOBIN=${folder}`, 'GOTOOLCHAIN=auto', 'CGO_ENABLED=0'];
    const build = spawn(
      'env',
      [...settings, 'go', 'install', `github.com/temporalio/cli/cmd/temporal@v${version}`],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        signal,
        // The one at which Go removes what it has half built.
        killSignal: 'SIGINT',
      },
    );
    let complaint = '';
    build.stderr.on('data', (chunk: Buffer) => {
      // The last lines hold the reason; the ones before name what was fetched.
      complaint = `${complaint}${chunk.toString('utf8')}`.slice(-2_000);
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      // A stopped build is told of at once and still writes until it ends.
      build.once('error', (error) => signal?.aborted || reject(error));
      build.once('close', resolve);
    });
    signal?.throwIfAborted();
    if (code !== 0) throw new Error(`go install ended with ${code}: ${complaint.trim().split('\n').at(-1)}`);
    await rename(path.join(folder, 'temporal'), target);
  } finally {
    clearInterval(ticker);
    await rm(folder, { recursive: true, force: true });
  }
}

interface Source {
  name: string;
  find(): Promise<string | undefined>;
}

function sources(input: ExecutableInput): Source[] {
  const { signal, say = () => undefined } = input;
  const folder = input.cacheFolder ?? path.join(homedir(), '.cache', 'perdure');
  const kept = path.join(folder, 'temporal', version, 'temporal');
  const origin = input.downloadOrigin ?? 'https://temporal.download';
  return [
    { name: 'PATH', find: () => onPath('temporal') },
    { name: kept, find: async () => (existsSync(kept) ? kept : undefined) },
    { name: "Go's bin folder", find: goInstalled },
    {
      name: origin,
      find: async () => {
        say('Fetching the Temporal server, once.');
        await downloadTemporal({ origin, version, target: kept, say, signal });
        return kept;
      },
    },
    {
      name: 'go install',
      find: async () => {
        if ((await onPath('go')) === undefined) return undefined;
        await buildTemporal({ target: kept, say, signal });
        return kept;
      },
    },
  ];
}

/** Throws the reason of `signal` once that has ended it. */
export async function temporalExecutable(input: ExecutableInput): Promise<string> {
  const tried: string[] = [];
  for (const source of sources(input)) {
    try {
      const file = await source.find();
      const problem = file === undefined ? 'nothing there' : await executableProblem(file);
      if (file !== undefined && problem === undefined) return file;
      tried.push(`${source.name}: ${problem}`);
    } catch (error) {
      input.signal?.throwIfAborted();
      // One source that fails is what the next one is for; the sentence at the end names every reason.
      const { message, cause } = error as Error;
      tried.push(`${source.name}: ${cause instanceof Error ? cause.message : message}`);
    }
  }
  throw new Error(
    `There is no Temporal server to start (${tried.join('; ')}): install the temporal CLI, or a Go toolchain to build it, or set TEMPORAL_ADDRESS to a server that runs.`,
  );
}

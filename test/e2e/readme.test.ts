// The README is run: its commands, taken out of its marked blocks, in a clean copy of the repository.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { findProcesses } from '../../worker/process-table.ts';
import { stopProcess } from '../../worker/supervisor/process/stop-process.ts';
import { portSettings } from '../support/ports.ts';
import { copyRepository } from '../support/repository.ts';

let folder: string;
let environment: NodeJS.ProcessEnv;
let readme: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'perdure-readme-'));
  // As root, Postgres runs as a user of its own, who must be able to enter the checkout.
  await chmod(folder, 0o755);
  await copyRepository(folder);
  readme = await readFile(path.join(folder, 'README.md'), 'utf8');
  environment = await cleanEnvironment();
});

afterAll(async () => {
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** As in a new terminal: nothing of the test's own settings, and ports that nobody else uses. */
async function cleanEnvironment(): Promise<NodeJS.ProcessEnv> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PERDURE_|npm_|NODE_|VITEST)/.test(name));
  return {
    ...Object.fromEntries(kept),
    ...(await portSettings()),
    // What `npm test` itself was installed from is in npm's cache: nothing is asked of a registry again.
    npm_config_prefer_offline: 'true',
  };
}

/** The lines of the shell block behind `<!-- run: NAME -->`. */
function commands(name: string): string[] {
  const block = new RegExp(`<!-- run: ${name} -->\\s*\`\`\`sh\\n([\\s\\S]*?)\`\`\``).exec(readme);
  if (!block?.[1]) throw new Error(`The README has no block "${name}" to run.`);
  return block[1].split('\n').filter(Boolean);
}

interface Finished {
  code: number | null;
  output: string;
}

/** Runs one line as a person's shell would. */
function run(line: string, more: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const child = start(line, more);
  return new Promise((resolve, reject) => {
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** Ended with the test at the latest, whatever becomes of that. */
function start(line: string, more: NodeJS.ProcessEnv = {}): ChildProcess {
  // A group of its own, which a Ctrl-C reaches as a whole.
  const child = spawn('/bin/sh', ['-c', line], {
    cwd: folder,
    env: { ...environment, ...more },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => end(child));
  return child;
}

/** As a Ctrl-C does; what has not ended by it in time is killed. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  process.kill(-(child.pid ?? 0), 'SIGINT');
  const late = setTimeout(() => void killAll(), orderlyMs);
  await ended;
  clearTimeout(late);
  await killAll();
}

/** Whatever names the folder runs for this test alone: the name is random. */
async function killAll(): Promise<void> {
  const left = findProcesses((command) => command.includes(folder));
  await Promise.all(left.map((each) => stopProcess(each, [])));
}

function untilSaid(child: ChildProcess, wanted: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const hear = (chunk: Buffer): void => {
      output += chunk;
      if (output.includes(wanted)) resolve(output);
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.on('close', () => reject(new Error(`It ended without saying "${wanted}":\n${output}`)));
  });
}

// A drain and an orderly end of both servers take seconds.
const orderlyMs = 60_000;
// Installing from a slow registry takes minutes; this only ends a hang.
const hangMs = 900_000;

test('the two commands and the tour do what the README says, in a clean directory', {
  timeout: hangMs,
  tags: ['faults'],
}, async () => {
  const [startCommand = '', testCommand = ''] = commands('start');
  const started = start(startCommand);
  const said = await untilSaid(started, 'Ctrl-C stops everything');
  expect(said).toContain('the scripted model answers');

  // Linked into a folder of its own, which stands first on the PATH: as by a person whose folder is on it already.
  const [link = ''] = commands('command');
  const words = path.join(folder, 'words');
  environment = { ...environment, PATH: `${words}${path.delimiter}${environment.PATH ?? ''}` };
  expect(await run(`${link} --folder ${words}`)).toMatchObject({ code: 0 });

  const outputs: string[] = [];
  for (const line of commands('tour')) {
    const { code, output } = await run(line);
    expect(code, `${line}\n${output}`).toBe(0);
    outputs.push(output);
  }
  expect(outputs[0]).toMatch(/worker +\d+ .*up/);
  expect(outputs[1]).toContain('succeeded · $0');
  expect(outputs[2]).toContain('Continuing conversation');
  expect(outputs[2]).toContain('as in the run before: project, model');
  expect(outputs[2]).toContain('succeeded · $0');
  expect(outputs[3]).toContain('Hello!');
  expect(outputs[4]?.trim().split('\n')).toEqual([
    expect.stringMatching(/^RUN +AGE +STATUS/),
    expect.stringMatching(/succeeded .*Say hello to stdin$/),
    expect.stringMatching(/succeeded .*And once more$/),
    expect.stringMatching(/succeeded .*Say hello$/),
  ]);
  expect(outputs[5]).toMatch(/^status +succeeded[^]*^Answer\n.*Hello!/m);
  expect(outputs[6]).toContain('kill -9 of the worker');
  expect(outputs[6]).toContain('none lost, none twice');
  await end(started);

  // One small tier: the whole suite would come back here.
  const tested = await run(testCommand, { PERDURE_TEST_TIERS: 'replay' });
  expect(tested.code, tested.output).toBe(0);
  expect(tested.output).toMatch(/^\d+ passed, 0 failed$/m);
});

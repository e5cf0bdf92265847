// The command line beside the whole product: the demo as a person sees it, and runs that are watched while the
// processes behind them are killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { probeBubblewrap } from '../../activities/sandbox/bubblewrap/probe.ts';
import { type Platform, startPlatform } from '../support/platform.ts';

const main = path.join(import.meta.dirname, '../../api/cli/main.ts');
const recording = path.join(import.meta.dirname, '../../api/cli/demo/recording.txt');

let platform: Platform;
let scenarios: string;

const providerKey = 'sk-of-nobody-0123456789';
// Into a file: what a command prints is redacted, so nothing would be seen there.
const look =
  '{ env; tr "\\0" "\\n" </proc/self/environ; ls -A; cat token .perdure/token ../token; } > seen.txt 2>&1; true';

beforeAll(async () => {
  scenarios = await mkdtemp(path.join(tmpdir(), 'perdure-scenarios-'));
  const calls = [look, 'curl http://127.0.0.1:9/x'].map((command) => ({ tool: 'shell', input: { command } }));
  const scenario = { description: 'Looks around.', steps: [{ calls }, { text: 'Seen.' }] };
  // JSON is YAML.
  await writeFile(path.join(scenarios, 'look-around.yaml'), JSON.stringify(scenario));
  const out = 'for host in 10.0.0.1 other.test; do curl -s http://$host/; done; cat token ../token';
  const reach = { tool: 'shell', input: { command: out, hosts: ['10.0.0.1'] } };
  const reaching = { description: 'Reaches out.', steps: [{ calls: [reach] }, { text: 'Tried.' }] };
  await writeFile(path.join(scenarios, 'reach-out.yaml'), JSON.stringify(reaching));
  const environment = {
    PERDURE_SCENARIOS: scenarios,
    PERDURE_DEFAULT_MODEL: 'scripted/hello',
    OPENAI_API_KEY: providerKey,
  };
  platform = await startPlatform({ cache: inject('bundles'), environment });
});

afterAll(async () => {
  await platform?.remove();
  if (scenarios) await rm(scenarios, { recursive: true });
});

interface Called {
  out(): string;
  /** Resolves when the text has come, fails when the command ends before. */
  saw(text: string): Promise<void>;
  end: Promise<{ code: number; err: string }>;
}

function perdure(...args: string[]): Called {
  const child: ChildProcess = spawn(process.execPath, [main, ...args], {
    // Runs work where they are started.
    cwd: scenarios,
    env: { PATH: process.env.PATH ?? '', PERDURE_DATA: platform.data },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk;
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    err += chunk;
  });
  const end = once(child, 'close').then(([code]) => ({ code: code as number, err }));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await end;
  });
  async function saw(text: string): Promise<void> {
    while (!out.includes(text)) {
      const more = await Promise.race([once(child.stdout ?? child, 'data'), end.then(() => undefined)]);
      if (more === undefined && !out.includes(text))
        throw new Error(`It ended without "${text}":\n${out}${err}`);
    }
  }
  return { out: () => out, saw, end };
}

/** What is done, and when the worker is killed: the same in every run of the demo. */
function stepsOf(shown: string): string[] {
  return shown.split('\n').filter((line) => /^(→|— step|— kill)/.test(line));
}

async function latestRun() {
  const [run] = (await platform.client.runs({ limit: 1 })).items;
  if (run === undefined) throw new Error('There is no run.');
  return run;
}

test('the demo kills its worker in the middle of a call and tells what came of it', async () => {
  const before = platform.pid('worker');
  const demo = perdure('demo');
  expect(await demo.end).toEqual({ code: 0, err: '' });
  expect(platform.pid('worker')).not.toBe(before);
  const run = await latestRun();
  const { items } = await platform.client.runEvents(run.id, { limit: 1000 });
  const out = demo.out();
  expect(out).toContain('— kill -9 of the worker, in the middle of call 4.0\n');
  expect(out).toContain('? 4.0 shell · outcome unknown: it may have taken effect\n');
  expect(out).toMatch(
    /\nThe worker was killed in the middle of call 4\.0; the run went on \d+\.\d s later\.\n/,
  );
  expect(out).toContain('Whether call 4.0 (shell node soak.js 10) took effect could not be known');
  expect(out).toContain(
    '\n-  return sum - discountPercent;\n+  return Math.round((sum * (100 - discountPercent)) / 100);\n',
  );
  expect(
    out.endsWith(`\n${items.length} events, numbered 1 to ${items.length}: none lost, none twice.\n`),
  ).toBe(true);
  expect(stepsOf(out), 'as it was recorded').toEqual(stepsOf(await readFile(recording, 'utf8')));
  const calls = (await platform.client.calls(run.id)).items.map(
    ({ callId, status }) => `${callId} ${status}`,
  );
  expect(calls).toEqual([
    '1.0 succeeded',
    '2.0 succeeded',
    '2.1 succeeded',
    '2.2 failed',
    '3.0 succeeded',
    '4.0 unknown',
    '5.0 succeeded',
    '5.1 succeeded',
    '6.0 succeeded',
    '7.0 succeeded',
  ]);
});

test('a run goes on being shown when the API is killed, and no word is lost or repeated', {
  tags: ['faults'],
}, async () => {
  const run = perdure('run', 'speak slowly', '--model', 'scripted/slow');
  await run.saw('A slow answer is the best way');
  platform.kill('api');
  expect(await run.end).toEqual({ code: 0, err: '' });
  const note = '— the server does not answer; this goes on by itself as soon as it does\n';
  expect(run.out().split(note).length).toBe(2);
  const { finalMessage } = await latestRun();
  const words = run.out().replace(note, '').replace(/\s+/g, '');
  expect(words).toContain(finalMessage?.replace(/\s+/g, ''));
});

test('when the worker is killed in the middle of an answer, what was said is called superseded and said again', {
  tags: ['faults'],
}, async () => {
  const run = perdure('run', 'speak slowly', '--model', 'scripted/slow');
  await run.saw('A slow answer is the best way');
  platform.kill('worker');
  expect(await run.end).toEqual({ code: 0, err: '' });
  const [before = '', after = ''] = run.out().split(/^! superseded: the text of step 1 above \(.*\)$/m);
  expect(before).toContain('A slow answer is the best way');
  const { finalMessage } = await latestRun();
  expect(after.replace(/\s+/g, '')).toContain(finalMessage?.replace(/\s+/g, ''));
});

test('a command finds no token and no key in its environment or beside its files', async () => {
  const run = perdure(
    'run',
    'look',
    '--model',
    'scripted/look-around',
    '--policy',
    'trusted-mount-autonomous',
    '--project',
    'none',
  );
  expect(await run.end).toEqual({ code: 0, err: '' });
  const { id } = await latestRun();
  const seen = await readFile(path.join(platform.data, 'work', id, 'seen.txt'), 'utf8');
  // The folder of the run holds what the run made and nothing else.
  expect(seen).toMatch(/\nseen\.txt\ncat: token: No such file/);
  const password = new URL(platform.databaseUrl).password;
  for (const secret of [platform.token, password, providerKey]) expect(seen).not.toContain(secret);
  const names = [...seen.matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name);
  expect(names.filter((name) => /KEY|TOKEN|SECRET|PASSWORD|DATABASE/.test(name ?? ''))).toEqual([]);
});

test('a contained command reaches what its call named and is public, and people see what it asked for', async ({
  skip,
}) => {
  if (!(await probeBubblewrap()).ok) skip('this machine has no bubblewrap that starts');
  const { id } = await platform.client.startRun({
    ...{ prompt: 'reach out', model: 'scripted/reach-out', execMode: 'bubblewrap' },
    policy: 'trusted-mount-autonomous',
  });
  await perdure('watch', id).end;
  const shown = perdure('show', id);
  expect(await shown.end).toEqual({ code: 0, err: '' });
  expect(shown.out()).toMatch(/\n1\.0 +10\.0\.0\.1:80 +0 .*10\.0\.0\.1 is not a public/);
  const [call] = (await platform.client.calls(id)).items;
  expect([call?.network.map(({ host, connections }) => [host, connections]), call?.output]).toEqual([
    [
      ['10.0.0.1', 0],
      ['other.test', 0],
    ],
    expect.stringContaining('not reached: 10.0.0.1 is not a public address'),
  ]);
});

test('a policy that requires containment is refused in mount, unless that is accepted, and the end says what was denied', async () => {
  const look = ['run', 'look', '--model', 'scripted/look-around', '--policy', 'headless-permissive-sandbox'];
  const refused = perdure(...look);
  const { code, err } = await refused.end;
  expect([code, refused.out(), err.split('\n').length]).toEqual([2, '', 2]);
  expect(err).toMatch(
    /requires a sandbox that contains: it allows .* The sandbox mount contains nothing; .*perdure run --accept-no-containment/,
  );

  const accepted = perdure(...look, '--accept-no-containment');
  expect(await accepted.end).toEqual({ code: 0, err: '' });
  const shown = accepted.out().split('\n');
  expect(shown[1]).toBe(
    '! accepted: no sandbox has to contain this run, so a shell may reach what its user can',
  );
  const run = await latestRun();
  expect(run).toMatchObject({
    acceptNoContainment: true,
    deniedCalls: {
      count: 2,
      items: [{ callId: '1.0' }, { callId: '1.1', reason: 'it reaches into the network' }],
    },
  });
  expect(shown.slice(shown.indexOf('! 2 calls denied:'))).toEqual([
    '! 2 calls denied:',
    expect.stringMatching(/^! {3}1\.0 shell \{ env; tr /),
    expect.stringMatching(/^! {5}it shows what was typed, or what a program was started with/),
    '!   1.1 shell curl http://127.0.0.1:9/x',
    '!     it reaches into the network',
    expect.stringMatching(/^succeeded · /),
    '',
  ]);
});

test('status lists the five processes by name, pid, address and health', async () => {
  await platform.ready();
  const status = perdure('status', '--json');
  expect((await status.end).code).toBe(0);
  const { processes, sandboxes, runs } = JSON.parse(status.out());
  const named = processes.map(({ name, pid, health }: { name: string; pid: number; health: string }) => ({
    name,
    pid,
    health,
  }));
  expect(named).toEqual(
    (['supervisor', 'api', 'worker', 'postgres', 'temporal'] as const).map((name) => ({
      name,
      pid: platform.pid(name),
      health: 'up',
    })),
  );
  expect(runs).toEqual([]);
  const nothing = { files: false, network: false, processes: false };
  const all = { files: true, network: true, processes: true };
  expect(sandboxes).toEqual([
    {
      mode: 'mount',
      contains: nothing,
      reach: expect.stringMatching(/^contains nothing; .*token’s file$/),
      runs: 0,
      problem: null,
    },
    {
      mode: 'bubblewrap',
      contains: all,
      reach: expect.stringMatching(/^contains files, network and processes; /),
      // Not every machine has it, or lets it start.
      runs: 0,
      problem: sandboxes[1].problem === null ? null : expect.stringMatching(/bubblewrap|bwrap/),
    },
    {
      mode: 'sandbox',
      contains: all,
      reach: expect.stringMatching(/^contains files, network, processes, memory and processor/),
      runs: 0,
      problem: sandboxes[2].problem === null ? null : expect.stringMatching(/^The Docker engine /),
    },
    {
      mode: 'container',
      contains: nothing,
      reach: expect.stringMatching(/^contains nothing of its own: /),
      runs: 0,
      problem: sandboxes[3].problem === null ? null : expect.stringMatching(/^The Docker engine /),
    },
  ]);
});

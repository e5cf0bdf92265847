// An agent over every kind of model server, each on a git repository of its own: ten steps with tools, the worker killed
// in the middle of an answer of each and again in the middle of a command of each. Nothing is lost, nothing doubled.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type Kind, kinds, type Turn } from '../activities/llm/answering-server.ts';
import { type EveryServer, modelOf, startEveryServer } from '../activities/llm/every-server.ts';
import { readRuns, type RunState } from '../chaos/evidence.ts';
import { type Platform, startPlatform, until } from '../support/platform.ts';
import { repository } from '../support/repository.ts';
import { withFaults } from '../support/with-faults.ts';

// Each wire format once, and of those over the chat format the ones that ask most of their requests.
const quick = ['openai', 'anthropic', 'gemini', 'llamacpp'];
const played = kinds.filter(({ server }) => withFaults || quick.includes(server));
// What all of them take together; this only ends a hang.
const longestMs = 120_000;

const file = 'named-limit.ts';
const old = '// The longest answer a server takes, out of its refusal of a longer one.';
const wanted = '// The longest answer that a server takes, out of its refusal of a longer one.';
const added = '--- a/made.txt\n+++ b/made.txt\n@@ -1 +1,2 @@\n made\n+patched\n';
const commit = 'git add -A && git -c user.name=Agent -c user.email=agent@example.com commit -qm done';

const prompt = 'Mend the first comment and commit it.';
const [heldStep, killedStep] = [3, 5];
const steps: Turn['calls'][] = [
  [
    { name: 'list', input: {} },
    { name: 'read', input: { path: file } },
  ],
  [{ name: 'write', input: { path: 'made.txt', content: 'made\n' } }],
  [{ name: 'edit', input: { path: file, old, new: wanted } }],
  [{ name: 'patch', input: { patch: added } }],
  [{ name: 'shell', input: { command: 'echo five >> effects.log; touch .git/started; sleep 300' } }],
  [{ name: 'grep', input: { pattern: 'five', path: 'effects.log' } }],
  [{ name: 'shell', input: { command: 'echo seven >> effects.log' } }],
  [
    { name: 'read', input: { path: 'made.txt' } },
    { name: 'glob', input: { pattern: 'wire/*.ts' } },
  ],
  [{ name: 'shell', input: { command: commit } }],
  [],
];
const turnOf = (_: Kind, step: number): Turn => ({
  thought: `thought-${step}`,
  signature: `sig-${step}`,
  text: step % 2 === 1 || step === 10 ? `Step ${step}.` : '',
  calls: steps[step - 1] ?? [],
});

let folder: string;
let server: EveryServer;
let platform: Platform;
let states: Map<string, RunState>;
const runIds = new Map<string, string>();
const projectOf = ({ server: name }: Kind): string => path.join(folder, name.replace(' ', '-'));
const git = (project: string, ...words: string[]): string =>
  execFileSync('git', words, { cwd: project, encoding: 'utf8' });

function makeProject(project: string): void {
  mkdirSync(project);
  cpSync(path.join(repository, 'activities', 'llm'), project, { recursive: true });
  git(project, 'init', '-q');
  git(project, 'add', '-A');
  git(project, '-c', 'user.name=A', '-c', 'user.email=a@example.com', 'commit', '-qm', 'begun');
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'perdure-server-profiles-'));
  for (const kind of played) makeProject(projectOf(kind));
  server = await startEveryServer({ turnOf, holds: heldStep });
  platform = await startPlatform({
    cache: inject('bundles'),
    environment: { ...server.environment, PERDURE_TOOL_SLOTS: '16' },
  });
  await Promise.all(
    played.map(async (kind) => {
      const { id } = await platform.client.startRun({
        prompt,
        project: { path: projectOf(kind) },
        model: modelOf(kind),
        policy: 'trusted-mount-autonomous',
      });
      runIds.set(kind.server, id);
    }),
  );
  const missing = (what: string, isThere: (kind: Kind) => boolean) => () =>
    `no ${what} of ${played.flatMap((kind) => (isThere(kind) ? [] : [kind.server])).join(', ')}`;
  const isHeld = (kind: Kind): boolean => server.held.has(kind.server);
  await until(() => played.every(isHeld), longestMs, missing('answer', isHeld));
  platform.kill('worker');
  const isStarted = (kind: Kind): boolean => existsSync(path.join(projectOf(kind), '.git', 'started'));
  await until(() => played.every(isStarted), longestMs, missing('command', isStarted));
  // The one that runs these commands may not be published yet.
  await until(() => platform.kill('worker'), longestMs, missing('worker', isStarted));
  await Promise.all(
    [...runIds.values()].map(async (id) => {
      for await (const _ of platform.client.watchRun(id)) void _;
    }),
  );
  states = await readRuns(platform.databaseUrl);
}, 2 * longestMs);

afterAll(async () => {
  await platform?.remove();
  await server?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** What is told of a run, the beginnings and ends of its calls apart: those of one step come in any order. */
function storyOf({ events }: RunState): { told: string[]; begun: string[]; ended: string[] } {
  const lines = events.flatMap(({ type, payload }) => {
    if (/^(text|thinking)-|^call-delta/.test(type)) return [];
    const { step, callId, status } = payload as { step?: number; callId?: string; status?: string };
    return [[type, callId ?? step, status].filter((each) => each !== undefined).join(' ')];
  });
  const of = (type: string): string[] => lines.filter((each) => each.startsWith(type)).sort(byNumber);
  return {
    told: lines.filter((each) => !/^call-(start|end)/.test(each)),
    begun: of('call-start'),
    ended: of('call-end'),
  };
}

/** `10.0` after `9.1`. */
function byNumber(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true });
}

const numbers = steps.map((_, index) => index + 1);
const idsOf = (step: number): string[] => (steps[step - 1] ?? []).map((_, index) => `${step}.${index}`);
const statusOf = (id: string): string => (id === `${killedStep}.0` ? 'unknown' : 'succeeded');
const ids = numbers.flatMap(idsOf);
const toolOf = (id: string) => steps[Number.parseInt(id, 10) - 1]?.[Number(id.split('.')[1])]?.name;
const textOf = (step: number): string => turnOf(kinds[0] as Kind, step).text;

const story = {
  told: [
    ...['run-queued', 'run-start'],
    ...numbers.flatMap((step) => [
      `step-start ${step}`,
      ...(step === heldStep ? [`message-reset ${step}`] : []),
      `message-end ${step}`,
      ...idsOf(step).map((id) => `call-request ${id}`),
      `step-end ${step}`,
    ]),
    'run-end succeeded',
  ],
  // Once more to find out what the attempt before has done.
  begun: [...ids, `${killedStep}.0`].map((id) => `call-start ${id}`).sort(byNumber),
  ended: ids.map((id) => `call-end ${id} ${statusOf(id)}`),
};
const messages = [
  `0 user ${prompt}`,
  ...numbers.flatMap((step) => [
    `${step} assistant ${textOf(step)}`,
    ...idsOf(step).map((id) => `${step} tool ${id}`),
  ]),
];

test.each(played)('$server ($format): ten steps through two deaths of the worker', (kind) => {
  const state = states.get(runIds.get(kind.server) ?? '') as RunState;
  const project = projectOf(kind);
  expect({
    ...server.seen.get(kind.server),
    end: [state.run.status, state.run.reason, state.run.final_message],
    numbers: state.events.map(({ seq }) => seq),
    story: storyOf(state),
    messages: state.messages
      .toSorted(
        (one, other) => one.step - other.step || one.phase - other.phase || one.position - other.position,
      )
      .map(({ step, role, text, call_id: callId }) => `${step} ${role} ${callId ?? text}`),
    calls: state.calls.map(({ call_id: id, tool, status }) => `${id} ${tool} ${status}`).sort(byNumber),
    effects: readFileSync(path.join(project, 'effects.log'), 'utf8'),
    commits: git(project, 'log', '--format=%s'),
    changed: git(project, 'show', '--format=', '--name-status', 'HEAD'),
    left: git(project, 'status', '--porcelain'),
    made: readFileSync(path.join(project, 'made.txt'), 'utf8'),
    comment: readFileSync(path.join(project, file), 'utf8').split('\n')[0],
  }).toEqual({
    refusals: [],
    asks: [1, 1, 2, 1, 1, 1, 1, 1, 1, 1],
    end: ['succeeded', 'finished', 'Step 10.'],
    numbers: state.events.map((_, index) => index + 1),
    story,
    messages,
    calls: ids.map((id) => `${id} ${toolOf(id)} ${statusOf(id)}`),
    effects: 'five\nseven\n',
    commits: 'done\nbegun\n',
    changed: `A\teffects.log\nA\tmade.txt\nM\t${file}\n`,
    left: '',
    made: 'made\npatched\n',
    comment: wanted,
  });
});

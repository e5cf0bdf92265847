// What a call leaves behind when something around its tool breaks.
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { defaultTenant } from '../../../activities/store/db/database.ts';
import { expect, onTestFinished, test, vi } from 'vitest';
import { act } from '../../../activities/call/act.ts';
import { reviewFor } from '../../../activities/call/review.ts';
import { type ActivityDeps, WorkerStopping } from '../../../activities/deps.ts';
import { publicEgress } from '../../../activities/egress/egress.ts';
import { createGitBounds } from '../../../activities/git/bounds.ts';
import { createMount } from '../../../activities/sandbox/mount/mount.ts';
import { withFiles } from '../../../activities/sandbox/open-files.ts';
import { createRunSandboxes } from '../../../activities/sandbox/run-sandboxes.ts';
import { createContents } from '../../../activities/store/log/contents.ts';
import { noteFiles } from '../../../activities/store/runs/parts.ts';
import { createRedactor } from '../../../activities/store/log/redaction.ts';
import { checkpointsOf, toSpans } from '../../../activities/store/runs/checkpoints.ts';
import { RunStopped } from '../../../activities/store/runs/stops.ts';
import { createBackground } from '../../../activities/tools/background.ts';
import { createTools } from '../../../activities/tools/index.ts';
import type { StoredPart } from '../../../workflows/contracts/message.ts';
import { findProfile } from '../../../workflows/policy/presets.ts';
import { createTrees } from '../../../worker/processes/trees.ts';
import { anAttempt, openTestStore } from '../../support/store.ts';

const store = await openTestStore();
const { db } = store.database;

type Record = NonNullable<ActivityDeps['trees']>['record'];

/** A call of a run in a folder, claimed; `record`: how the project is looked at. */
async function claimed(
  { name, input, parts = [] }: { name: string; input: object; parts?: StoredPart[] },
  record: (usual: Record) => Record = (usual) => usual,
) {
  const folder = await realpath(mkdtempSync(path.join(tmpdir(), 'perdure-act-')));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const gitBounds = createGitBounds({ folder: path.join(folder, 'bounds') });
  const driver = createMount({ workFolder: folder, programs: process.env['PATH'] ?? '', gitBounds });
  const sandboxes = createRunSandboxes({
    drivers: [driver],
    onFailure(error) {
      throw error;
    },
  });
  const trees = createTrees(folder);
  const deps = {
    log: store.log,
    contents: createContents(db, folder),
    redactor: createRedactor([]),
    logger: pino({ level: 'silent' }),
    tools: createTools({ background: createBackground(), egress: publicEgress }),
    profileOf: async (_tenantId, { id }) => findProfile(id),
    openSandbox: ({ id, projectPath, mayUse }) =>
      sandboxes.lend({ id, projectPath, tenantId: defaultTenant, mode: 'mount' }, mayUse),
    killHandle: sandboxes.kill,
    withFiles,
    place: (of) => of.project_path,
    trees: { ...trees, record: record(trees.record) },
    hasBackground: () => false,
  } as Partial<ActivityDeps> as ActivityDeps;
  const projectPath = mkdtempSync(path.join(folder, 'project-'));
  const policy = 'trusted-mount-autonomous';
  const run = await store.started({ policy, projectPath, attended: true, parts });
  if (parts.length > 0) await noteFiles(db, run.id);
  const asked = [{ id: 'one', name, input: JSON.stringify(input) }];
  const [call] = await store.step(run, 1, { calls: await reviewFor({ ...deps, db }, run, 1, asked) });
  const task = anAttempt(run, `call/${call!.call_id}`);
  const claim = await store.claim(task);
  if (claim.kind !== 'claimed') throw new Error(`The call was not claimed: it is ${claim.kind}.`);
  const { signal } = new AbortController();
  const attempt = { task, ref: claim.ref, signal, supersede() {} };
  return { deps, sandboxes, projectPath, run, claim, attempt };
}

/** No time is over by itself: how long a shell or git takes on this machine says nothing. */
function holdTimers(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
}

test('a look behind a call that breaks does not keep the sandbox from being let go of', async () => {
  let looks = 0;
  const given = { name: 'write', input: { path: 'a', content: '1' } };
  const { deps, sandboxes, run, claim, attempt } = await claimed(given, (usual) => async (...of) => {
    looks += 1;
    if (looks === 2) throw new Error('the look broke');
    return usual(...of);
  });
  await expect(act(deps, claim, attempt)).rejects.toThrow('the look broke');
  expect(sandboxes.runIds()).toEqual([run.id]);
  await sandboxes.endRun(run.id);
  expect(sandboxes.runIds()).toEqual([]);
});

test('a call whose project is gone fails in words, and is unknown where an attempt before it may have acted', async () => {
  const given = { name: 'write', input: { path: 'a', content: '1' } };
  const { deps, projectPath, claim, attempt } = await claimed(given);
  rmSync(projectPath, { recursive: true });
  const gone = `\`${projectPath}\` does not exist, or was removed meanwhile.`;
  expect(await act(deps, claim, attempt)).toEqual({ status: 'failed', output: gone, failed: true });
  const predecessor = { intent: { after: 'a hash' }, lost: 1 };
  expect(await act(deps, { ...claim, predecessor }, attempt)).toEqual({
    status: 'unknown',
    output: expect.stringMatching(/^Outcome unknown: .* does not exist, or was removed meanwhile\.$/),
    failed: true,
  });
});

test('a command that its sandbox has lost is a call whose outcome is unknown', async () => {
  const { deps, claim, attempt } = await claimed({ name: 'shell', input: { command: 'true' } });
  const openSandbox: ActivityDeps['openSandbox'] = async (...of) => ({
    ...(await deps.openSandbox(...of)),
    exec: async () => ({ exitCode: null, signal: null, note: 'it was lost' }),
  });
  expect(await act({ ...deps, openSandbox }, claim, attempt)).toMatchObject({
    status: 'unknown',
    output: '[outcome unknown; it was lost]',
  });
});

test('what a stopped call has changed is looked at where its run goes on, and left to the end where the run is over', async () => {
  const lookAfter = async (reason: Error) => {
    const given = { name: 'shell', input: { command: 'echo 1 > a; sleep 600' } };
    const { deps, projectPath, run, claim, attempt } = await claimed(given);
    const stop = new AbortController();
    const making = act(deps, claim, { ...attempt, signal: stop.signal });
    await expect.poll(() => existsSync(path.join(projectPath, 'a'))).toBe(true);
    holdTimers();
    stop.abort(reason);
    const { status } = await making;
    vi.useRealTimers();
    const now = await deps.trees.record(run);
    const spans = toSpans(await checkpointsOf(db, run), run);
    return { status, spans: spans.map(({ after, goesOn }) => ({ sees: after === now.tree, after, goesOn })) };
  };
  expect([
    await lookAfter(new WorkerStopping('The worker is shutting down.')),
    await lookAfter(new RunStopped('Somebody stopped the run.')),
  ]).toEqual([
    { status: 'stopped', spans: [{ sees: true, after: expect.any(String), goesOn: false }] },
    { status: 'stopped', spans: [{ sees: false, after: null, goesOn: false }] },
  ]);
});

test('a worker that stops during the look behind a call still waits a moment for it', async () => {
  const stop = new AbortController();
  let looks = 0;
  const given = { name: 'write', input: { path: 'a', content: '1' } };
  const { deps, run, claim, attempt } = await claimed(given, (usual) => async (...of) => {
    looks += 1;
    if (looks === 2) stop.abort(new WorkerStopping('The worker is shutting down.'));
    return usual(...of);
  });
  holdTimers();
  await act(deps, claim, { ...attempt, signal: stop.signal });
  expect(await checkpointsOf(db, run)).toMatchObject([{ tree_after: (await deps.trees.record(run)).tree }]);
});

test('what a command waits for its sandbox to start it is not its own time', async () => {
  const input = { command: 'echo started', timeoutSeconds: 1 };
  const { deps, claim, attempt } = await claimed({ name: 'shell', input });
  const openSandbox: ActivityDeps['openSandbox'] = async (...of) => {
    const lent = await deps.openSandbox(...of);
    return {
      ...lent,
      async exec(options) {
        // Longer than the command and its call together have.
        vi.advanceTimersByTime(2500);
        return lent.exec(options);
      },
    };
  };
  const call = { ...claim.call, timeout_seconds: 2 };
  holdTimers();
  expect(await act({ ...deps, openSandbox }, { ...claim, call }, attempt)).toMatchObject({
    status: 'succeeded',
    output: 'started\n[exit code 0]',
  });
  vi.useRealTimers();
  const sleeping = await claimed({ name: 'shell', input: { command: 'sleep 600', timeoutSeconds: 1 } });
  expect(await act(sleeping.deps, sleeping.claim, sleeping.attempt)).toMatchObject({
    status: 'failed',
    output: '[stopped after 1 seconds; give a longer timeoutSeconds, or use background]',
  });
});

test('a call acts without the files of messages that cannot be put in place, and says so to the model', async () => {
  const content = await createContents(db, '/nonexistent').put(defaultTenant, 'text/plain', Buffer.from('1'));
  const given = {
    ...{ name: 'write', input: { path: 'a', content: '1' } },
    parts: [{ type: 'binary', mode: 'file', name: 'notes.txt', mediaType: 'text/plain', size: 1, content }],
  } satisfies Parameters<typeof claimed>[0];
  const { deps, projectPath, claim, attempt } = await claimed(given);
  symlinkSync('/nonexistent', path.join(projectPath, '.perdure-attachments'));
  expect(await act(deps, claim, attempt)).toEqual({
    status: 'succeeded',
    output: expect.stringMatching(
      /\n\[Attached files that could not be put in place: 1\. `\.perdure-attachments\/.*\.\]$/,
    ),
    bytes: expect.any(Number),
    failed: false,
  });
  expect(existsSync(path.join(projectPath, 'a'))).toBe(true);
});

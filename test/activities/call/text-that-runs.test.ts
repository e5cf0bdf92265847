import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { act } from '../../../activities/call/act.ts';
import { plannedChange } from '../../../activities/call/planned-change.ts';
import { reviewContextOf, reviewEdit, reviewFor } from '../../../activities/call/review.ts';
import type { ActivityDeps } from '../../../activities/deps.ts';
import { createGitBounds } from '../../../activities/git/bounds.ts';
import { createMount } from '../../../activities/sandbox/mount/mount.ts';
import { withFiles } from '../../../activities/sandbox/open-files.ts';
import { createRunSandboxes } from '../../../activities/sandbox/run-sandboxes.ts';
import { listApprovals, toApprovalView } from '../../../activities/store/approvals/approval-lists.ts';
import { answerApproval, type EditedCall } from '../../../activities/store/approvals/approvals.ts';
import { type CallRow, findCall, toCallView } from '../../../activities/store/calls/calls.ts';
import { defaultTenant } from '../../../activities/store/db/database.ts';
import { createContents } from '../../../activities/store/log/contents.ts';
import { createRedactor } from '../../../activities/store/log/redaction.ts';
import type { RunRow } from '../../../activities/store/runs/runs.ts';
import { createBackground } from '../../../activities/tools/background.ts';
import { publicEgress } from '../../../activities/egress/egress.ts';
import { createTools } from '../../../activities/tools/index.ts';
import { streamOf } from '../../../workflows/contracts/event.ts';
import type { PolicyProfile } from '../../../workflows/contracts/policy.ts';
import { findProfile } from '../../../workflows/policy/presets.ts';
import { anAttempt, lockedRun, openTestStore } from '../../support/store.ts';
import { profileWith } from '../../workflows/policy/decide.ts';
import { knownHoles } from '../../workflows/policy/fuzz/known-holes.ts';
import { createTrees } from '../../../worker/processes/trees.ts';

const store = await openTestStore();
const { db } = store.database;
const folder = await realpath(mkdtempSync(path.join(tmpdir(), 'perdure-runs-')));
const gitBounds = createGitBounds({ folder: path.join(folder, 'bounds') });
const driver = createMount({ workFolder: folder, programs: process.env['PATH'] ?? '', gitBounds });
const background = createBackground();
const sandboxes = createRunSandboxes({
  drivers: [driver],
  onFailure(error) {
    throw error;
  },
});
afterAll(async () => {
  await background.close();
  await sandboxes.close();
  rmSync(folder, { recursive: true });
});

/** Allows what begins with these, and asks about the rest. */
const plain = profileWith(
  [{ commands: ['echo **', 'git status **', 'git log **', 'true'], decision: 'allow' }],
  { id: 'plain' },
);
const deps = {
  log: store.log,
  contents: createContents(db, folder),
  redactor: createRedactor([]),
  logger: pino({ level: 'silent' }),
  tools: createTools({ background, egress: publicEgress }),
  profileOf: async (_tenantId, { id }): Promise<PolicyProfile | undefined> =>
    id === plain.id ? plain : findProfile(id),
  openSandbox: ({ mayUse, ...run }) => sandboxes.lend({ ...run, mode: 'mount' }, mayUse),
  killHandle: driver.kill,
  place: (of) => of.project_path,
  trees: createTrees(folder),
  hasBackground: () => false,
} as Partial<ActivityDeps> as ActivityDeps;

async function startedRun(policy: string): Promise<RunRow> {
  const projectPath = mkdtempSync(path.join(folder, 'project-'));
  spawnSync('git', ['init', '--quiet'], { cwd: projectPath });
  return store.started({ policy, projectPath, attended: true });
}

let calls = 0;

/** Has the model ask for each of these commands, writes and edits, in a step of the run. */
async function ask(run: RunRow, step: number, ...inputs: object[]): Promise<CallRow[]> {
  const asked = inputs.map((input) => {
    calls += 1;
    const name = 'content' in input ? 'write' : 'old' in input ? 'edit' : 'shell';
    return { id: `provider-${calls}`, name, input: JSON.stringify(input) };
  });
  return store.step(run, step, { calls: await reviewFor({ ...deps, db }, run, step, asked) });
}

/** What the call answers when this attempt makes it. */
async function make(run: RunRow, callId: string, attempt = 1): Promise<string> {
  const task = anAttempt(run, `call/${callId}`, attempt);
  const claim = await store.claim(task);
  if (claim.kind !== 'claimed') throw new Error(`The call was not claimed: it is ${claim.kind}.`);
  const { signal } = new AbortController();
  const result = await act(deps, claim, { task, ref: claim.ref, signal, supersede() {} });
  await store.record(claim.ref, result);
  return result.output;
}

async function approve(run: RunRow, callId: string, edited?: EditedCall): Promise<void> {
  const [approval] = await listApprovals(db, { tenantId: defaultTenant, runId: run.id, limit: 1 });
  expect(approval?.call_id).toBe(callId);
  await store.log.write('test', async (write) =>
    answerApproval(write, await lockedRun(write, run.id), approval?.id ?? '', {
      ...{ status: 'approved', by: 'ada' },
      ...(edited && { edited }),
    }),
  );
}

async function rowOf(run: RunRow, callId: string): Promise<CallRow> {
  const row = await findCall(db, defaultTenant, run.id, callId);
  if (!row) throw new Error(`There is no call ${callId}.`);
  return row;
}

// A shell that is asked for the text it was given.
const written = 'echo   "$BASH_EXECUTION_STRING"  ';
const canonical = 'echo "${BASH_EXECUTION_STRING}"';
const textOf = (output: string): string => output.replace(/\n\[exit code 0\]$/, '');

test.each(['headless-safe-sandbox', 'headless-permissive-sandbox', plain.id])(
  'of commands that hide another, %s runs none',
  async (policy) => {
    const run = await startedRun(policy);
    const asked = await ask(run, 1, ...knownHoles.map((command) => ({ command })));
    expect(asked.map(({ decision, runs }) => [decision === 'allow', runs])).toEqual(
      knownHoles.map(() => [false, null]),
    );
    for (const { call_id: callId } of asked)
      expect((await store.claim(anAttempt(run, `call/${callId}`))).kind).toBe('recorded');
    expect(readdirSync(run.project_path ?? '')).toEqual(['.git']);
  },
);

const neighbours = [
  "git status '$(touch P)'",
  'git  log "a b" 2>&1 ; git status -s',
  'git log "\\$((touch P) )"',
  "git log '$\\\n((touch P) )' '{x@P}' '2>(touch' 'P)'",
  'git status \\\n --short',
  "echo '`' 2>/dev/null",
  "echo '<<E' $'a\\nb'",
];

test.each(neighbours)('what is allowed beside them runs nothing that hides: %j', async (command) => {
  const run = await startedRun(plain.id);
  const [call] = await ask(run, 1, { command });
  expect([call?.decision, typeof call?.runs]).toEqual(['allow', 'string']);
  await make(run, '1.0');
  expect(readdirSync(run.project_path ?? '')).toEqual(['.git']);
});

test('what a rule about commands allows runs as it was written from what was judged, and shows it', async () => {
  const run = await startedRun(plain.id);
  const [first, second] = await ask(run, 1, { command: written }, { command: canonical });
  expect([first?.subject, first?.runs, second?.runs]).toEqual([written, canonical, canonical]);
  expect(textOf(await make(run, '1.0'))).toBe(canonical);
  const rows = [await rowOf(run, '1.0'), await rowOf(run, '1.1')];
  expect(rows.map((row) => toCallView(row).runs)).toEqual([canonical, null]);
  const audit = await db
    .selectFrom('audit')
    .select('detail')
    .where('run_id', '=', run.id)
    .where('action', '=', 'call-allow')
    .orderBy('id')
    .execute();
  expect(audit.map(({ detail }) => (detail as { runs?: string }).runs)).toEqual([canonical, undefined]);
  const events = await db
    .selectFrom('events')
    .select('payload')
    .where('stream', '=', streamOf('run', run.id))
    .where('type', '=', 'call-request')
    .orderBy('seq')
    .execute();
  expect(events.map(({ payload }) => (payload as { runs?: string }).runs)).toEqual([canonical, undefined]);
  const input = JSON.stringify({ command: written });
  expect(first?.input_hash).toBe(createHash('sha256').update(`${input}\0${canonical}`).digest('hex'));
});

test('the same in the background', async () => {
  const run = await startedRun(plain.id);
  onTestFinished(() => background.endRun(run.id));
  await ask(run, 1, { command: written, background: true });
  await make(run, '1.0');
  const { output } = await background.poll(run.id, '1.0', 60_000, new AbortController().signal);
  expect(output.trim()).toBe(canonical);
});

test('what is allowed by a rule that trusts every text runs as the model wrote it', async () => {
  const run = await startedRun('trusted-mount-autonomous');
  const [call] = await ask(run, 1, { command: written });
  expect(call?.runs).toBeNull();
  expect(textOf(await make(run, '1.0'))).toBe(written);
});

test('what a person allows runs as it was shown, in the language or not', async () => {
  const run = await startedRun('ask-everything');
  for (const [step, command] of [written, `x=$((1 + 2)); ${written}`].entries()) {
    const callId = `${step + 1}.0`;
    const [call] = await ask(run, step + 1, { command });
    expect([call?.decision, call?.runs]).toEqual(['ask', null]);
    await approve(run, callId);
    expect(textOf(await make(run, callId))).toBe(command);
  }
});

test('an attempt after a death runs the text that is stored, whatever the arguments would be read as now', async () => {
  const run = await startedRun(plain.id);
  await ask(run, 1, { command: written });
  await store.claim(anAttempt(run, 'call/1.0'));
  await db
    .updateTable('calls')
    .set({ runs: 'echo what was stored' })
    .where('run_id', '=', run.id)
    .where('call_id', '=', '1.0')
    .execute();
  expect(textOf(await make(run, '1.0', 2))).toBe('what was stored');
});

test('other arguments that a person gives are reviewed, and run as that says', async () => {
  const run = await startedRun(plain.id);
  const [call] = await ask(run, 1, { command: 'make all' });
  if (!call) throw new Error('Nothing was asked.');
  const edited = reviewEdit(await reviewContextOf({ ...deps, db }, run), call, { command: written });
  if ('problem' in edited) throw new Error(edited.problem);
  await approve(run, '1.0', edited);
  const [approval] = await listApprovals(db, { tenantId: defaultTenant, runId: run.id, limit: 1 });
  expect(approval && toApprovalView(approval)).toMatchObject({
    ...{ edited: true, subject: written, runs: canonical, input: { command: written } },
    inputHash: edited.inputHash,
  });
  expect(textOf(await make(run, '1.0'))).toBe(canonical);
});

test('the middle of a long output is read by its key, in its conversation alone', async () => {
  const run = await startedRun('trusted-mount-autonomous');
  await ask(run, 1, { command: 'seq 9000' });
  const cut = await make(run, '1.0');
  const where = /tool output: (.*) …/.exec(cut)?.[1] ?? '';
  const middle = {
    id: 'of-output',
    name: 'output',
    input: JSON.stringify({ ...JSON.parse(where), lines: 1 }),
  };
  const other = await startedRun('plan-readonly');
  const told: string[] = [];
  for (const [reader, step] of [
    [run, 2],
    [other, 1],
  ] as const) {
    const [call] = await store.step(reader, step, {
      calls: await reviewFor({ ...deps, db }, reader, step, [middle]),
    });
    expect(call?.decision).toBe('allow');
    told.push(await make(reader, call?.call_id ?? ''));
  }
  expect(told).toEqual([
    expect.stringMatching(/^\d+\n\[line [\d,]+ of 9,001; from \d+ goes on\]$/),
    expect.stringContaining('No result of this conversation was cut under that key'),
  ]);
});

test('a reading command runs without a question, and is denied where a link leads it out of the project', async () => {
  const run = await startedRun('ask-before-changes');
  const project = run.project_path ?? '';
  writeFileSync(path.join(project, 'a.txt'), 'one\n');
  writeFileSync(path.join(folder, 'outside.txt'), 'private\n');
  symlinkSync(path.join(folder, 'outside.txt'), path.join(project, 'notes'));
  const asked = await ask(run, 1, { command: 'cat a.txt' }, { command: 'cat notes' }, { command: 'touch b' });
  expect(asked.map(({ decision }) => decision)).toEqual(['allow', 'allow', 'ask']);
  expect(textOf(await make(run, '1.0'))).toBe('one');
  const told = await make(run, '1.1');
  expect(told).toContain('Denied by policy: notes leads to ');
  expect(told).not.toContain('private');
});

test('a change that is asked about is told as a diff of the files as they are now, and changes nothing', async () => {
  const run = await startedRun('ask-before-changes');
  const project = run.project_path ?? '';
  writeFileSync(path.join(project, 'a.txt'), 'one\ntwo\n');
  writeFileSync(path.join(project, 'latin'), Buffer.from([0xe9]));
  symlinkSync(path.join(folder, 'outside.txt'), path.join(project, 'notes'));
  mkdirSync(path.join(project, 'state'));
  writeFileSync(path.join(project, 'state/token'), 'secret\n');
  const asked = await ask(
    run,
    1,
    { path: 'a.txt', old: 'two', new: 'three' },
    { path: 'a.txt', content: 'one\n' },
    { path: 'new.txt', content: 'made\n' },
    { path: 'a.txt', old: 'none such', new: 'x' },
    { path: 'notes', content: 'x' },
    { path: 'latin', content: '\ufffd' },
    { path: 'state/token', content: 'x' },
    { command: 'touch b' },
  );
  expect(asked.map(({ decision }) => decision)).toEqual(asked.map(() => 'ask'));
  const reading: ActivityDeps['withFiles'] = (root, mayUse, use) =>
    withFiles(root, mayUse, use, [path.join(project, 'state')]);
  const needs = { ...deps, db, workFolder: folder, withFiles: reading, place: () => project };
  const told: (string | null)[] = [];
  for (const call of asked) told.push(await plannedChange(needs, run, call));
  expect(told).toEqual([
    '--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n',
    '--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,1 @@\n one\n-two\n',
    '--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1,1 @@\n+made\n',
    ...[null, null, null, null, null],
  ]);
  expect(readdirSync(project).toSorted()).toEqual(['.git', 'a.txt', 'latin', 'notes', 'state']);
  expect(readFileSync(path.join(project, 'a.txt'), 'utf8')).toBe('one\ntwo\n');
  // Without a project, before the first call has made the folder.
  const own = { ...needs, workFolder: path.join(folder, 'work'), place: () => null };
  expect(asked[2] && (await plannedChange(own, run, asked[2]))).toBe(told[2]);
});

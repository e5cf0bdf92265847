// An agent over OpenAI's wire format on a copy of this very repository: it reads, edits, runs the repository's own
// checks, loses its worker in the middle of them, and leaves exactly the intended diff.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { LLMock } from '@copilotkit/aimock';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { CallView } from '../../workflows/contracts/call.ts';
import { type Platform, startPlatform, until } from '../support/platform.ts';
import { copyRepository, repository } from '../support/repository.ts';

// The change the agent is asked for: one sentence in the file that says the version.
const file = 'worker/version.ts';
const old = '// The version of this code, as the package says it.';
const wanted = '// The version of this code, as its package says it.';

let folder: string;
let project: string;
let mock: LLMock;
let platform: Platform;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'perdure-real-input-'));
  project = path.join(folder, 'project');
  await copyRepository(project);
  await symlink(path.join(repository, 'node_modules'), path.join(project, 'node_modules'));
  // An agent's copy is its own: what our repository would say of it is not looked at.
  await promisify(execFile)('git', ['init', '-q'], { cwd: project });
  mock = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent', chunkSize: 16 });
  script(mock);
  const address = await mock.start();
  platform = await startPlatform({
    cache: inject('bundles'),
    environment: { OPENAI_API_KEY: 'sk-of-nobody', PERDURE_OPENAI_BASE_URL: `${address}/v1` },
  });
});

afterAll(async () => {
  await platform?.remove();
  await mock?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** One answer for each number of answers already given in the conversation. */
function script(model: LLMock): void {
  const call = (name: string, input: object) => ({ toolCalls: [{ name, arguments: JSON.stringify(input) }] });
  const answers = [
    call('read', { path: file }),
    call('edit', { path: file, old, new: wanted }),
    call('shell', { command: 'touch .git/check-started && npm run check', timeoutSeconds: 600 }),
    // Here the outcome of the check is unknown: the agent looks, and checks again.
    call('grep', { pattern: 'as its package says it', path: file }),
    call('shell', { command: 'npm run check', timeoutSeconds: 600 }),
    { content: 'The sentence is changed and the checks pass.' },
  ];
  for (const [turn, response] of answers.entries()) {
    const match = {
      predicate: ({ messages }: { messages: { role: string }[] }) =>
        messages.filter(({ role }) => role === 'assistant').length === turn,
    };
    model.addFixture({ match, response });
  }
}

const facts = ({ callId, tool, status }: CallView) => ({ callId, tool, status });

test('an agent changes a copy of this repository, through the death of its worker', {
  tags: ['faults'],
  // It runs all of the repository's checks, beside other tests that keep the machine busy.
  timeout: 600_000,
}, async () => {
  const started = await platform.client.startRun({
    prompt: `Change the first comment of ${file} to say "its package", and prove that the checks still pass.`,
    project: { path: project },
    model: 'openai/gpt-5.2',
    policy: 'trusted-mount-autonomous',
  });
  let killed = false;
  for await (const event of platform.client.watchRun(started.id)) {
    if (event.type === 'call-start' && event.payload.callId === '3.0' && !killed) {
      killed = true;
      await untilThere(path.join(project, '.git', 'check-started'));
      platform.kill('worker');
    }
  }

  const view = await platform.client.run(started.id);
  const calls = (await platform.client.calls(started.id)).items;
  const lastCheck = calls.at(-1);
  expect(
    { status: view.status, reason: view.reason, finalMessage: view.finalMessage },
    lastCheck?.output ?? '',
  ).toEqual({
    status: 'succeeded',
    reason: 'finished',
    finalMessage: 'The sentence is changed and the checks pass.',
  });
  expect(calls.map(facts)).toEqual([
    { callId: '1.0', tool: 'read', status: 'succeeded' },
    { callId: '2.0', tool: 'edit', status: 'succeeded' },
    { callId: '3.0', tool: 'shell', status: 'unknown' },
    { callId: '4.0', tool: 'grep', status: 'succeeded' },
    { callId: '5.0', tool: 'shell', status: 'succeeded' },
  ]);
  const diff = await platform.client.diff(started.id);
  expect(diff.files).toEqual([{ path: file, status: 'modified' }]);
  const changed = diff.diff.split('\n').filter((line) => /^[+-][^+-]/.test(line));
  expect(changed).toEqual([`-${old}`, `+${wanted}`]);
  expect((await readFile(path.join(project, file), 'utf8')).split('\n')[0]).toBe(wanted);
});

function untilThere(name: string): Promise<void> {
  // Starting a shell takes milliseconds; this only ends a hang.
  return until(
    () => existsSync(name),
    120_000,
    () => `${name} never appeared.`,
  );
}

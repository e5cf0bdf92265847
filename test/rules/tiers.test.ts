import { spawnSync } from 'node:child_process';
import { globSync } from 'tinyglobby';
import { expect, test } from 'vitest';
import { tiers } from '../tiers.ts';
import { root } from './product-files.ts';

function runSuite(args: string[], environment: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['test/run.ts', ...args], {
    cwd: root,
    encoding: 'utf8',
    // A socket that is not there: the machine's own engine must not decide what this test sees.
    env: { PATH: process.env.PATH, DOCKER_HOST: 'unix:///nowhere/docker.sock', ...environment },
  });
  return { status, lines: `${stdout}${stderr}`.trimEnd().split('\n') };
}

test('every test file belongs to exactly one tier', () => {
  const files = globSync('test/**/*.test.ts', { cwd: root, ignore: ['test/fixtures/**'] }).sort();
  expect(files.length).toBeGreaterThan(20);
  const found = tiers.flatMap(({ include, exclude }) => globSync(include, { cwd: root, ignore: exclude }));
  expect(found.filter((name) => !name.startsWith('test/fixtures/')).sort()).toEqual(files);
});

test('a tier that cannot run is named with its reason, and a suite in which nothing ran has failed', () => {
  const { status, lines } = runSuite(['--tier', 'sandbox']);
  expect({ status, lines }).toEqual({
    status: 1,
    lines: [
      'Not run: tier sandbox needs docker: no Docker engine listens on /nowhere/docker.sock',
      'No test ran: name files or tiers that exist.',
      '0 passed, 1 failed',
    ],
  });
});

test('what is required and cannot run is a failure', () => {
  const { status, lines } = runSuite(['--tier', 'sandbox'], { PERDURE_REQUIRE: 'docker' });
  expect({ status, lines }).toEqual({
    status: 1,
    lines: [
      'FAILED tier sandbox needs docker: no Docker engine listens on /nowhere/docker.sock',
      '0 passed, 1 failed',
    ],
  });
});

test('a tier or a need that does not exist is refused in one sentence', () => {
  const names = tiers.map((tier) => tier.name).join(', ');
  expect(runSuite(['--tier', 'sandbx'])).toEqual({
    status: 2,
    lines: [`There is no tier "sandbx"; the tiers are ${names}.`],
  });
  expect(runSuite([], { PERDURE_REQUIRE: 'dokcer' })).toEqual({
    status: 2,
    lines: [
      'PERDURE_REQUIRE names "dokcer"; it can name postgres, temporal, docker, chromium, mount, bubblewrap, with commas between.',
    ],
  });
});

test('the passed, failed and skipped tests are counted on the last line', () => {
  const { status, lines } = runSuite(['--tier', 'rules', 'test/rules/settings.test.ts']);
  expect({ status, last: lines.at(-1) }).toEqual({
    status: 0,
    last: '1 passed, 0 failed',
  });
});

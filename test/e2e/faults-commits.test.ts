// F6: commits whose answer never arrives. Postgres has committed, and neither the API nor the worker can know.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProgram } from '../chaos/program.ts';
import { startCommitCutter } from '../support/commit-cutter.ts';
import { openTheatre } from '../support/faults.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { openRoles } from '../support/roles.ts';
import { createTestNamespace } from '../support/temporal.ts';

// One in fifteen transactions: often enough that each kind of them is hit, and every run still gets on.
const everyCommit = 15;

const theatre = await openTheatre();
const [{ url: databaseUrl }, temporal] = await Promise.all([createTestDatabase(), createTestNamespace()]);
const cutter = await startCommitCutter(databaseUrl, everyCommit);
const environment = { PERDURE_COMPATIBLE_BASE_URL: theatre.model.url, DATABASE_URL: cutter.url };
const roles = await openRoles(environment, { databaseUrl, temporal });

beforeAll(async () => {
  await roles.startApi();
  await roles.startWorker();
});

afterAll(async () => {
  await roles.killAll();
  await cutter.close();
});

test('with the answers to commits cut off again and again, every program ends as if nothing had been', {
  tags: ['faults'],
}, async () => {
  const programs = Array.from({ length: 16 }, (_, index) => createProgram(2026, 500 + index));
  const played = await theatre.play(roles, programs);
  await theatre.expectRight(roles, played);
  console.log(`commits cut off: ${cutter.cuts()}`);
  expect(cutter.cuts()).toBeGreaterThan(20);
});

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { globSync } from 'tinyglobby';
import { beforeEach, expect, test } from 'vitest';
import { root } from '../rules/product-files.ts';
import { type Chores, createChores } from '../../worker/chores.ts';

let told: unknown[][];
let chores: Chores;

beforeEach(() => {
  told = [];
  const write = (line: string): void => {
    const { level, chore, msg, err } = JSON.parse(line) as Record<string, unknown>;
    told.push([level, chore, msg, (err as Error | undefined)?.message]);
  };
  chores = createChores(pino({ formatters: { level: (level) => ({ level }) } }, { write }));
});

test('what housekeeping throws, at once or later, is told once until it works again, and ends nothing', async () => {
  let problem: string | undefined = 'no room';
  const atOnce = (): void => {
    if (problem !== undefined) throw new Error(problem);
  };
  const later = async (): Promise<void> => {
    await sleep(1);
    atOnce();
  };
  for (let round = 0; round < 3; round += 1) {
    chores.run('one', atOnce);
    chores.run('other', later);
    await sleep(5);
  }
  problem = undefined;
  chores.run('one', atOnce);
  chores.run('one', atOnce);
  await sleep(5);
  expect(told).toEqual([
    ['warn', 'one', 'housekeeping failed; it is tried again', 'no room'],
    ['warn', 'other', 'housekeeping failed; it is tried again', 'no room'],
    ['info', 'one', 'housekeeping works again', undefined],
  ]);
});

test('what takes longer than its interval is not done twice at once, and goes on after a failure', async () => {
  let underWay = 0;
  let most = 0;
  let done = 0;
  const stop = chores.every('slow', 2, async () => {
    underWay += 1;
    most = Math.max(most, underWay);
    await sleep(10);
    underWay -= 1;
    done += 1;
    throw new Error('each time');
  });
  await expect.poll(() => done).toBeGreaterThan(3);
  stop();
  expect(most).toBe(1);
});

test('nothing beside a process’s work repeats by a timer of its own', () => {
  // Keeping the supervisor open does nothing that could fail, the ticker of a build writes to the terminal, and a thread
  // that collects its garbage has nothing of ours to wait for.
  const known = [
    'worker/chores.ts',
    'worker/serve.ts',
    'worker/supervisor/temporal/temporal-executable.ts',
    'worker/thread-garbage.ts',
  ];
  const found = globSync('worker/**/*.ts', { cwd: root }).filter((file) =>
    readFileSync(path.join(root, file), 'utf8').includes('setInterval('),
  );
  expect(found.sort()).toEqual(known);
});

import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { RunningPart } from '../../../../worker/supervisor/process/keep-running.ts';
import { keepRunning } from '../../../../worker/supervisor/process/keep-running.ts';

interface FakePart extends RunningPart {
  die(): void;
  becomeReady(): void;
}

let nextPid = 1;
let started: FakePart[] = [];
let stopped: string[] = [];

function part(): FakePart {
  const exit = Promise.withResolvers<void>();
  const ready = Promise.withResolvers<void>();
  const pid = nextPid;
  nextPid += 1;
  const end = (how: string) => async () => {
    stopped.push(`${how} ${pid}`);
    exit.resolve();
  };
  const made: FakePart = {
    pid,
    address: null,
    exited: exit.promise,
    ready: ready.promise,
    stop: end('stop'),
    kill: end('kill'),
    die: () => exit.resolve(),
    becomeReady: () => ready.resolve(),
  };
  started.push(made);
  return made;
}

function latest(): FakePart {
  const last = started.at(-1);
  if (last === undefined) throw new Error('nothing was started');
  return last;
}

const quiet = pino({ level: 'silent' });
const keep = (start: () => Promise<RunningPart> = async () => part(), onDeath?: () => void) =>
  keepRunning({
    name: 'worker',
    first: part(),
    start,
    onChange: () => undefined,
    logger: quiet,
    ...(onDeath ? { onDeath } : {}),
  });

beforeEach(() => {
  vi.useFakeTimers();
  nextPid = 1;
  started = [];
  stopped = [];
});

afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe('a kept process', () => {
  test('that worked for a while and dies is started again at once, and its death is told first', async () => {
    let deaths = 0;
    const kept = keep(undefined, () => {
      deaths += 1;
    });
    latest().becomeReady();
    await pass(5_000);
    expect(kept.view()).toEqual({ name: 'worker', pid: 1, address: null, health: 'up', restarts: 0 });
    latest().die();
    await pass(0);
    expect({ ...kept.view(), deaths }).toEqual({
      name: 'worker',
      pid: 2,
      address: null,
      health: 'starting',
      restarts: 1,
      deaths: 1,
    });
    await kept.stop();
  });

  test('that dies young is started again at once the first time and ever more slowly after, up to five seconds', async () => {
    const kept = keep();
    const pauses: number[] = [];
    for (let death = 0; death < 9; death += 1) {
      const before = Date.now();
      const count = started.length;
      latest().die();
      while (started.length === count) await pass(50);
      pauses.push(Date.now() - before);
    }
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    // Work for a while ends the suspicion.
    latest().becomeReady();
    await pass(2_000);
    const count = started.length;
    latest().die();
    await pass(0);
    expect(started.length).toBe(count + 1);
    await kept.stop();
  });

  test('whose start fails is tried again until it succeeds', async () => {
    let failures = 3;
    const kept = keep(async () => {
      failures -= 1;
      if (failures >= 0) throw new Error('no port');
      return part();
    });
    latest().becomeReady();
    await pass(5_000);
    latest().die();
    await pass(0);
    expect(kept.view()).toMatchObject({ pid: null, health: 'down', restarts: 1 });
    await pass(1_000);
    expect(kept.view()).toMatchObject({ pid: 2, health: 'starting', restarts: 1 });
    await kept.stop();
  });

  test('that dies before it can work is ready when a successor is, and its view says so by then', async () => {
    const kept = keep();
    const seen: string[] = [];
    void kept.ready.then(() => seen.push(kept.view().health));
    latest().die();
    await pass(0);
    expect(seen).toEqual([]);
    latest().becomeReady();
    await pass(0);
    expect([kept.view().pid, seen]).toEqual([2, ['up']]);
    await kept.stop();
  });

  test('is stopped and not started again, also during a pause and during a start', async () => {
    const running = keep();
    await running.stop();
    await pass(60_000);
    expect([stopped, started.length, running.view().health]).toEqual([['stop 1'], 1, 'down']);

    const slowStart = Promise.withResolvers<RunningPart>();
    const starting = keep(() => slowStart.promise);
    latest().becomeReady();
    await pass(2_000);
    latest().die();
    await pass(0);
    const ended = starting.stop();
    const late = part();
    slowStart.resolve(late);
    await ended;
    expect(stopped.at(-1)).toBe(`stop ${late.pid}`);

    const pausing = keep(async () => Promise.reject(new Error('no')));
    latest().die();
    await pass(500);
    await pausing.stop();
    const count = started.length;
    await pass(60_000);
    expect(started.length).toBe(count);
  });
});

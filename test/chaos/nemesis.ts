// Breaks things, by the dice: kills processes of the platform, freezes them, stops Postgres in the middle of it, fills
// its disk, removes its logs, kills the engine of its containers.
// Every fault is noted with its time. It starts again what does not start by itself.
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Platform, type ProcessName, until } from '../support/platform.ts';
import type { OwnEngine } from '../support/own-engine.ts';
import type { SmallDisk } from '../support/small-disk.ts';
import type { Dice } from './dice.ts';

export type FaultKind =
  | 'worker'
  | 'api'
  | 'postgres'
  | 'temporal'
  | 'everything'
  | 'supervisor'
  | 'postgres-immediate'
  | 'freeze-worker'
  | 'freeze-api'
  | 'freeze-postgres'
  | 'freeze-temporal'
  | 'full-disk'
  | 'remove-logs'
  | 'engine';

export interface Fault {
  kind: FaultKind;
  at: number;
  /** When a frozen process was let go again, or a full disk had room. */
  until?: number;
}

export interface Nemesis {
  faults: Fault[];
  /** Resolves when the fault under way is over and everything that must run is running. */
  stop(): Promise<void>;
  /** Settles when it has stopped; rejects when it broke down itself. */
  raging: Promise<void>;
}

// By weight: the worker holds the most, so it dies the most.
const kinds: readonly FaultKind[] = [
  ...Array.from({ length: 14 }, () => 'worker' as const),
  ...Array.from({ length: 6 }, () => 'api' as const),
  ...Array.from({ length: 4 }, () => 'postgres' as const),
  ...Array.from({ length: 2 }, () => 'postgres-immediate' as const),
  ...Array.from({ length: 4 }, () => 'temporal' as const),
  ...Array.from({ length: 2 }, () => 'everything' as const),
  ...Array.from({ length: 2 }, () => 'supervisor' as const),
  'freeze-worker',
  'freeze-api',
  'freeze-postgres',
  'freeze-temporal',
  'full-disk',
  'full-disk',
  'remove-logs',
];
// About as often as the worker.
const kindsWithEngine: readonly FaultKind[] = [
  ...kinds,
  ...Array.from({ length: 12 }, () => 'engine' as const),
];

// After this time a process will not come back any more; a busy machine needs a quarter of it.
const notUpMs = 120_000;

export interface NemesisInput {
  platform: Platform;
  /** Where the data folder is; without it no disk is filled. */
  disk?: SmallDisk | undefined;
  /** Of its containers; without it none is killed. */
  engine?: OwnEngine | undefined;
  dice: Dice;
  /** Between two faults. */
  pauseMs: [number, number];
  /** Whether another one is due: on a slow machine faults without a measure would leave no room for any progress. */
  isDue(): boolean;
}

// With the seconds it takes to start, less than the time that the worker waits for it.
const engineAwayMs: [number, number] = [0, 2_000];

// Very short beside the seconds that programs take.
const lookMs = 100;

export function startNemesis({ platform, disk, engine, dice, pauseMs, isDue }: NemesisInput): Nemesis {
  const faults: Fault[] = [];
  const stopping = new AbortController();

  async function freeze(name: ProcessName): Promise<number | undefined> {
    const frozen = platform.pid(name);
    if (frozen === undefined || !platform.kill(name, 'SIGSTOP')) return undefined;
    await sleep(dice.between(300, 3_000));
    // Only if it still is the same process: its name may belong to a successor by now.
    if (platform.pid(name) === frozen) platform.kill(name, 'SIGCONT');
    return Date.now();
  }

  /** Undefined when there was nothing to break: what was broken before is not back yet. */
  async function strike(kind: FaultKind): Promise<Fault | undefined> {
    const at = Date.now();
    switch (kind) {
      case 'worker':
      case 'api':
      case 'postgres':
      case 'temporal':
        return platform.kill(kind) ? { kind, at } : undefined;
      case 'postgres-immediate':
        return platform.kill('postgres', 'SIGQUIT') ? { kind, at } : undefined;
      case 'everything':
        platform.killEverything();
        await platform.serve();
        return { kind, at };
      case 'supervisor':
        platform.kill('supervisor');
        await platform.serve();
        return { kind, at };
      case 'full-disk': {
        if (!disk) return undefined;
        disk.fill();
        await sleep(dice.between(500, 4_000));
        disk.empty();
        return { kind, at, until: Date.now() };
      }
      case 'remove-logs':
        await rm(path.join(platform.data, 'logs'), { recursive: true, force: true });
        return { kind, at };
      case 'engine': {
        if (!engine) return undefined;
        await engine.kill();
        await sleep(dice.between(...engineAwayMs));
        await engine.start();
        return { kind, at, until: Date.now() };
      }
      default: {
        const until = await freeze(kind.slice('freeze-'.length) as ProcessName);
        return until === undefined ? undefined : { kind, at, until };
      }
    }
  }

  const pause = (ms: number): Promise<void> =>
    sleep(ms, undefined, { signal: stopping.signal }).catch(() => undefined);

  async function rage(): Promise<void> {
    while (!stopping.signal.aborted) {
      if (!isDue()) {
        await pause(lookMs);
        continue;
      }
      // Often it lets the platform come back first, or nothing would ever be done; sometimes it strikes again before.
      if (!dice.chance(0.2)) await allUp(platform);
      await pause(dice.between(...pauseMs));
      if (stopping.signal.aborted) return;
      const fault = await strike(dice.pick(engine ? kindsWithEngine : kinds));
      if (fault) faults.push(fault);
    }
  }

  const raging = rage();
  return {
    faults,
    async stop() {
      stopping.abort();
      await raging;
      await platform.ready();
    },
    raging,
  };
}

async function allUp(platform: Platform): Promise<void> {
  const isUp = (): boolean => {
    const all = platform.processes();
    return all.length === 5 && all.every(({ health }) => health === 'up');
  };
  await until(isUp, notUpMs, () => `not all up: ${JSON.stringify(platform.processes())}`, 100);
}

/** Freezing kills no process, and neither do faults of the disk. */
export function killsIn(faults: readonly Fault[]): number {
  return faults.filter(({ kind }) => !/^freeze|^full-disk|^remove-logs/.test(kind)).length;
}

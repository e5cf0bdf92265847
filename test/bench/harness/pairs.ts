// Measuring side by side: the floor and ours in turn, A B B A, so that a machine whose speed drifts changes both.
// The result is the median of the ratios of pairs, with the least and the greatest beside it.
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { cpuSecondsOf } from './cpu.ts';

export interface Settings {
  pairs: number;
  seconds: number;
  /** Whether a benchmark that can also says where its time goes. */
  trace: boolean;
}

export function settings(): Settings {
  const { values } = parseArgs({
    options: {
      pairs: { type: 'string', default: '6' },
      seconds: { type: 'string', default: '20' },
      trace: { type: 'boolean', default: false },
    },
  });
  return { pairs: Number(values.pairs), seconds: Number(values.seconds), trace: values.trace };
}

/** One measured stretch: how many units were done in it, and figures of its own. */
export interface Sample {
  units: number;
  figures?: Record<string, number>;
}

export interface Side {
  name: string;
  measure(seconds: number): Promise<Sample>;
  /** The processes whose CPU time is counted; read anew for each stretch. */
  pids?(): number[];
}

export interface PairedInput {
  name: string;
  floor: Side;
  ours: Side;
  settings: Settings;
  /** The same for a side that names no processes of its own. */
  pids?(): number[];
}

export interface Stretch extends Sample {
  wallSeconds: number;
  cpuSeconds: number;
}

export interface Paired {
  floor: Stretch[];
  ours: Stretch[];
}

// The first stretch of each side fills caches and compiles; it is not counted.
const warmUpShare = 0.25;

export async function measurePairs(input: PairedInput): Promise<Paired> {
  const { floor, ours, settings: given } = input;
  const result: Paired = { floor: [], ours: [] };
  for (const side of [floor, ours]) await side.measure(Math.max(1, given.seconds * warmUpShare));
  for (let pair = 0; pair < given.pairs; pair += 1) {
    const order = pair % 2 === 0 ? (['floor', 'ours'] as const) : (['ours', 'floor'] as const);
    for (const which of order) {
      const stretch = await measureOne(
        input[which],
        given.seconds,
        input[which].pids ?? input.pids ?? (() => []),
      );
      result[which].push(stretch);
      const rate = (stretch.units / stretch.wallSeconds).toFixed(1);
      process.stderr.write(`  ${input.name}: ${input[which].name} ${rate}/s\n`);
    }
  }
  return result;
}

async function measureOne(side: Side, seconds: number, pids: () => number[]): Promise<Stretch> {
  const cpuBefore = cpuSecondsOf(pids());
  const before = process.hrtime.bigint();
  const sample = await side.measure(seconds);
  const wallSeconds = Number(process.hrtime.bigint() - before) / 1e9;
  return { ...sample, wallSeconds, cpuSeconds: cpuSecondsOf(pids()) - cpuBefore };
}

export interface Spread {
  median: number;
  min: number;
  max: number;
}

export function spreadOf(values: number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  const median =
    sorted.length % 2 === 0
      ? ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
      : (sorted[Math.floor(middle)] ?? Number.NaN);
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

/** The ratio ours / floor of a figure, pair by pair. */
export function ratiosOf(paired: Paired, figure: (stretch: Stretch) => number): Spread {
  return spreadOf(
    paired.ours.map((stretch, index) => figure(stretch) / figure(paired.floor[index] as Stretch)),
  );
}

export const rate = (stretch: Stretch): number => stretch.units / stretch.wallSeconds;
export const cpuPerUnit = (stretch: Stretch): number => stretch.cpuSeconds / stretch.units;

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export interface Verdict {
  name: string;
  /** What must hold, as a sentence, and whether it does. */
  checks: { what: string; value: number; target: number; mustReach: number; higherIsBetter: boolean }[];
  figures: Record<string, unknown>;
}

/** Prints a line for people per check, the machine, and the one JSON line; sets the exit code. */
export function report(verdict: Verdict): void {
  for (const check of verdict.checks) {
    const reaches = (bound: number): boolean =>
      check.higherIsBetter ? check.value >= bound : check.value <= bound;
    const word = reaches(check.target)
      ? 'target reached'
      : reaches(check.mustReach)
        ? 'above the floor'
        : 'TOO LOW';
    process.stdout.write(
      `${verdict.name}: ${check.what} = ${check.value.toPrecision(3)} (target ${check.target}, must ${check.mustReach}): ${word}\n`,
    );
    if (!reaches(check.mustReach)) process.exitCode = 1;
  }
  process.stdout.write(`${machineLine()}\n`);
  process.stdout.write(
    `${JSON.stringify({ bench: verdict.name, ...verdict.figures, checks: verdict.checks })}\n`,
  );
}

function machineLine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const kernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
  const memory = Math.round(totalmem() / 1024 ** 3);
  return `machine: ${cpus().length} × ${model}, ${memory} GiB, Linux ${kernel}, Node ${process.versions.node}`;
}

// The figures of a chaos run as lines for people, and what it found.
import type { ChaosResult } from './chaos.ts';

export function describeResult(result: ChaosResult): string {
  const rows: [string, number | string][] = [
    ['seed', result.seed],
    ['programs', result.programs],
    ['kills', result.kills],
    ['seconds', result.seconds],
    ...Object.entries(result.figures),
    ['violations', result.violations.length],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  const found = result.violations.map(
    ({ invariant, program, problem }) => `${invariant} program ${program ?? '-'}: ${problem}`,
  );
  const journal = result.journal ? [`journal: ${result.journal}`] : [];
  return [...lines, ...found, ...journal].join('\n');
}

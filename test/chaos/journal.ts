// What is kept of a chaos run that found something: the programs concerned with all that was seen of them, the
// faults with their times, and the platform's logs. Enough to understand it without running it again.
import { cp, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Evidence, Violation } from './evidence.ts';

/** Returns the folder it lies in. */
export async function writeJournal(
  input: { seed: number; logs: string },
  evidence: Evidence,
  violations: readonly Violation[],
): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), `perdure-chaos-journal-${input.seed}-`));
  const write = (name: string, value: unknown): Promise<void> =>
    writeFile(path.join(folder, name), `${JSON.stringify(value, undefined, 2)}\n`);
  await write('violations.json', violations);
  await write('faults.json', evidence.faults);
  for (const id of new Set(violations.map(({ program }) => program))) {
    const played = evidence.played.find(({ program }) => program.id === id);
    if (!played) continue;
    const runs = played.messages.map(({ runId }) => evidence.runs.get(runId));
    const hits = evidence.hits.filter(({ key }) => key.startsWith(`${id}/`));
    const asks = evidence.model.asks.filter(({ marker }) => marker.startsWith(`${id}/`));
    await write(`program-${id}.json`, { played, runs, hits, asks });
  }
  await mkdir(path.join(folder, 'logs'));
  await cp(input.logs, path.join(folder, 'logs'), { recursive: true });
  return folder;
}

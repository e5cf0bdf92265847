// The folder of backups as it lies there: which there are, what a check has found of each, and which are worth their room.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { BackupListView, BackupView } from '../../../workflows/contracts/system.ts';

const Table = z.object({
  name: z.string(),
  columns: z.array(z.string()),
  rows: z.int(),
  bytes: z.int(),
  sha256: z.string(),
});
export type BackupTable = z.infer<typeof Table>;

export const BackupDescription = z.object({
  /** Of this format. */
  version: z.literal(1),
  createdAt: z.string(),
  /** The newest that the database had: it is restored to the same one. */
  migration: z.string(),
  tables: z.array(Table),
  sequences: z.array(z.object({ name: z.string(), value: z.string() })),
});
export type BackupDescription = z.infer<typeof BackupDescription>;

const Check = z.object({ at: z.string(), restored: z.boolean(), problem: z.string().nullable() });

export const descriptionFile = 'backup.json';
export const checkFile = 'check.json';
/** Behind the name of what is not whole: being written, or being removed. */
export const unfinished = '.unfinished';

// For a day back each day, for a month each week, for a year each month.
const keptDays = 7;
const keptWeeks = 4;
const keptMonths = 12;
// One a day, and a day of grace.
const oldestMs = 48 * 3_600_000;
const dayMs = 86_400_000;
const hourMs = 3_600_000;

/** `20261130T030000Z`; sorted as text it is sorted by time. */
export function nameOf(at: Date): string {
  return at.toISOString().replace(/[-:]|\.\d+/g, '');
}

const named = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

function timeOf(name: string): Date {
  return new Date(name.replace(named, '$1-$2-$3T$4:$5:$6Z'));
}

/** The newest first. */
export async function backupNames(folder: string): Promise<string[]> {
  const found = await readdir(folder).catch(() => []);
  return found
    .filter((name) => named.test(name))
    .sort()
    .reverse();
}

/**
 * Of backups by name those that stay: the newest of all, and of each of the last days, weeks and months that have one.
 * One of which a check has found a problem takes the place of none that is good.
 */
export function keptBackups(names: readonly string[], bad: ReadonlySet<string> = new Set()): string[] {
  const newestFirst = [...names].sort().reverse();
  const goodFirst = [
    ...newestFirst.filter((name) => !bad.has(name)),
    ...newestFirst.filter((name) => bad.has(name)),
  ];
  const kept = new Set(newestFirst.slice(0, 1));
  for (const [most, spanOf] of [
    [keptDays, (at: Date) => at.toISOString().slice(0, 10)],
    // Monday is where weeks begin; 1970 began on a Thursday.
    [keptWeeks, (at: Date) => String(Math.floor((at.getTime() / dayMs + 3) / 7))],
    [keptMonths, (at: Date) => at.toISOString().slice(0, 7)],
  ] as const) {
    const spans = new Set<string>();
    for (const name of goodFirst) {
      const span = spanOf(timeOf(name));
      if (spans.has(span) || spans.size === most) continue;
      spans.add(span);
      kept.add(name);
    }
  }
  return newestFirst.filter((name) => kept.has(name));
}

/** Throws one sentence when there is none of ours. */
export async function readDescription(folder: string): Promise<BackupDescription> {
  const name = path.basename(folder);
  const text = await readFile(path.join(folder, descriptionFile), 'utf8').catch(() => undefined);
  if (text === undefined) throw new Error(`There is no backup ${name}: \`perdure backup list\` has them.`);
  const { success, data } = BackupDescription.safeParse(parsed(text));
  if (!success) throw new Error(`The description of backup ${name} cannot be read: take another one.`);
  return data;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function viewOf(folder: string, name: string): Promise<BackupView> {
  const description = await readDescription(path.join(folder, name)).catch((error: Error) => error);
  if (description instanceof Error) {
    const at = timeOf(name).toISOString();
    return {
      name,
      createdAt: at,
      bytes: 0,
      rows: 0,
      check: { at, restored: false, problem: description.message },
    };
  }
  const text = await readFile(path.join(folder, name, checkFile), 'utf8').catch(() => '');
  const { data: check = null } = Check.safeParse(parsed(text));
  return { name, createdAt: description.createdAt, ...sumOf(description), check };
}

/** The newest first; and what a person is to know, when none of them is both good and young. */
export async function listBackups(folder: string, now: Date): Promise<BackupListView> {
  const items: BackupView[] = [];
  for (const name of await backupNames(folder)) items.push(await viewOf(folder, name));
  const good = items.find(({ check }) => check?.problem === null);
  return { items, problem: items.length === 0 ? noBackup : good ? ageProblem(good.name, now) : noneGood };
}

const mends = '`perdure backup now` makes one, and a schedule with the job backup makes them by itself.';
export const noBackup = `There is no backup: ${mends}`;
const noneGood = `No backup has passed its check: \`perdure backup list\` says why; ${mends}`;

/** That backups have stopped; undefined when this one is young. */
export function ageProblem(name: string, now: Date): string | null {
  const ageMs = now.getTime() - timeOf(name).getTime();
  if (ageMs <= oldestMs) return null;
  return `The newest good backup, ${name}, is ${Math.floor(ageMs / hourMs)} hours old: ${mends}`;
}

/** Of a small one too, something is to be seen. */
export function toMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e6 ? 3 : 1)} MB`;
}

export function sumOf({ tables }: BackupDescription): { bytes: number; rows: number } {
  return {
    bytes: tables.reduce((sum, { bytes }) => sum + bytes, 0),
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
  };
}

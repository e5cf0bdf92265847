// What happens before a model is asked, each in one line.
import type { EventPayload } from '../../../workflows/contracts/event.ts';
import { plural, toSize } from './figures.ts';
import { printable } from './printable.ts';

export function partLine({ name, from, mode, size, problem }: EventPayload<'part-end'>): string {
  const what = `attached ${printable(from ?? name)}`;
  if (problem !== null) return `${what} is missing: ${printable(problem)}`;
  return `${what} · ${mode} · ${toSize(size ?? 0)}`;
}

export function recordLine({ recorded, files }: EventPayload<'project-record'>): string {
  return `recording the project: ${recorded.toLocaleString('en')} of ${plural(files, 'file')}`;
}

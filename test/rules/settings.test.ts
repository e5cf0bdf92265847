import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { settings } from '../../worker/config/settings.ts';
import { root } from './product-files.ts';

/** Each variable of the file with the comment above it. */
function described(text: string): { variable: string; why: string }[] {
  const found: { variable: string; why: string }[] = [];
  let comment: string[] = [];
  for (const line of text.split('\n')) {
    const variable = /^#?\s*([A-Z][A-Z0-9_]+)=/.exec(line)?.[1];
    if (variable) found.push({ variable, why: comment.join(' ') });
    if (/^#\s/.test(line) && !variable) comment.push(line.slice(1).trim());
    else comment = [];
  }
  return found;
}

test('.env.example names every setting and nothing else, each with its reason', () => {
  const example = described(readFileSync(path.join(root, '.env.example'), 'utf8'));
  expect(example.map(({ variable }) => variable).sort()).toEqual(
    settings.map(({ variable }) => variable).sort(),
  );
  const reasons = new Map(example.map(({ variable, why }) => [variable, why]));
  expect(settings.filter(({ variable, notes }) => !reasons.get(variable)?.includes(notes.why))).toEqual([]);
});

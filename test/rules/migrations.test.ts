import { expect, test } from 'vitest';
import { productFiles } from './product-files.ts';

const stemOf = (name: string): string => name.split('/').at(-1)?.split('.')[0] ?? '';
const numberOf = (name: string): string => stemOf(name).slice(0, 4);
const migrations = productFiles(['activities/store/db/migrations/*']);
const functions = productFiles(['activities/store/db/functions/*']);

test('migrations are numbered once each and without a gap', () => {
  expect(migrations.map(({ name }) => numberOf(name))).toEqual(
    migrations.map((_, index) => String(index + 1).padStart(4, '0')),
  );
});

test('a function of the database is a file that its migration puts there, whole and under its own name', () => {
  for (const { name, text } of functions) {
    const migration = migrations.find((each) => numberOf(each.name) === numberOf(name));
    expect(migration?.text, name).toContain(`functionsOf('${numberOf(name)}')`);
    const made = [...text.matchAll(/^create function (\w+)\(/gm)].map(([, made]) => made);
    expect(made.length, `${name} makes one function, or takes it away`).toBeLessThanOrEqual(1);
    for (const each of made) expect(each, name).toBe(stemOf(name).slice(5).replaceAll('-', '_'));
  }
  for (const { name, text } of migrations) expect(text, name).not.toMatch(/create (or replace )?function/);
});

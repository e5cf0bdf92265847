import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { type LockPackages, missingOptional } from './lockfile.ts';
import { root } from './product-files.ts';

interface Manifest {
  dependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

function read<T>(name: string): T {
  return JSON.parse(readFileSync(path.join(root, name), 'utf8')) as T;
}

const manifest = read<Manifest>('package.json');
const { packages } = read<{ packages: LockPackages }>('package-lock.json');

test('every package is pinned to one exact version', () => {
  const all = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies };
  expect(Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
});

test('the lockfile names no place to download from: whoever installs has their own', () => {
  expect(Object.entries(packages).filter(([, entry]) => entry.resolved !== undefined)).toEqual([]);
});

test('the lockfile asks for what package.json asks for', () => {
  for (const kind of ['dependencies', 'optionalDependencies', 'devDependencies'] as const) {
    expect({ kind, asked: packages['']?.[kind] }).toEqual({ kind, asked: manifest[kind] });
  }
});

test('the lockfile has the packages of every platform; if not, run test/rules/lockfile.ts', () => {
  expect(missingOptional(packages).map(({ name }) => name)).toEqual([]);
});

test('all packages of Temporal have one version', () => {
  const temporal = Object.entries(packages).filter(([name]) =>
    /node_modules\/@temporalio\/[^/]+$/.test(name),
  );
  expect(temporal.length).toBeGreaterThan(5);
  expect([...new Set(temporal.map(([, entry]) => entry.version))]).toEqual([
    manifest.dependencies['@temporalio/worker'],
  ]);
});

test('there is one protobufjs 8: with two, replay fails with "type must be a Type"', () => {
  const copies = Object.entries(packages).filter(([name]) => name.endsWith('node_modules/protobufjs'));
  // gRPC's loader has an older major of its own, which never meets Temporal's types.
  expect(copies.filter(([, entry]) => entry.version?.startsWith('8.'))).toEqual([
    ['node_modules/protobufjs', expect.objectContaining({ version: '8.8.1' })],
  ]);
});

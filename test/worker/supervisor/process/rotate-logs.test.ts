import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { rotateLogs } from '../../../../worker/supervisor/process/rotate-logs.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'perdure-rotate-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('a log above 10 MB moves to a copy of which three stay, and its writer goes on in the emptied file', () => {
  const file = path.join(folder, 'api.log');
  const writer = openSync(file, 'a');
  try {
    for (let round = 1; round <= 5; round += 1) {
      writeSync(writer, `round ${round}\n${'x'.repeat(10 * 1024 * 1024)}\n`);
      rotateLogs(folder);
    }
    writeSync(writer, 'after\n');
    rotateLogs(folder);
  } finally {
    closeSync(writer);
  }
  const firstLines = Object.fromEntries(
    readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name), 'utf8').split('\n')[0]]),
  );
  expect(firstLines).toEqual({
    'api.log': 'after',
    'api.log.1': 'round 5',
    'api.log.2': 'round 4',
    'api.log.3': 'round 3',
  });
});

test('a smaller log is left alone', () => {
  const file = path.join(folder, 'worker.log');
  appendFileSync(file, 'x'.repeat(10 * 1024 * 1024));
  rotateLogs(folder);
  expect(statSync(file).size).toBe(10 * 1024 * 1024);
  expect(readdirSync(folder)).toEqual(['worker.log']);
});

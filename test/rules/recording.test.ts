import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { root } from './product-files.ts';

// That the recording is still what the demo shows is seen where the demo runs: e2e/command-line.test.ts.
test('what the README shows of the demo is in its recording', () => {
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
  const shown = /<!-- recording -->\n```text\n([^]*?)```\n<!-- end -->/.exec(readme)?.[1]?.split('\n') ?? [];
  const recorded = readFileSync(path.join(root, 'api/cli/demo/recording.txt'), 'utf8').split('\n');
  expect(shown.length).toBeGreaterThan(5);
  expect(shown.filter((line) => line.trim() !== '⋮' && !recorded.includes(line))).toEqual([]);
});

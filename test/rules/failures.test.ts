import { expect, test } from 'vitest';
import { failures } from '../../workflows/contracts/failures.ts';
import { productFiles } from './product-files.ts';

test('every failure in the table is thrown or read by somebody', () => {
  const table = 'workflows/contracts/failures.ts';
  const files = productFiles(['{workflows,activities,api,worker}/**/*.ts']).filter(
    ({ name }) => name !== table,
  );
  const isUsed = (code: string) => files.some(({ text }) => text.includes(`'${code}'`));
  expect(Object.keys(failures).filter((code) => !isUsed(code))).toEqual([]);
});

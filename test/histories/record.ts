// `node test/histories/record.ts`: runs the temporal tests of the workflows once and keeps the history of every path
// they take beside this file. By hand, when a path is new; what is kept already is never recorded again.
import { spawn } from 'node:child_process';
import path from 'node:path';

const root = path.join(import.meta.dirname, '../..');
const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');
const tests = spawn(process.execPath, [vitest, 'run', '--project', 'temporal', 'test/workflows'], {
  cwd: root,
  env: { ...process.env, HISTORIES_FOLDER: import.meta.dirname },
  stdio: 'inherit',
});
tests.on('exit', (code) => process.exit(code ?? 1));

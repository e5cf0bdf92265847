import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { call, decide, profileWith } from './decide.ts';

// What a shell could be given, in pieces that meet in ways nobody would write.
const pieces = [
  'git status',
  'curl x',
  'git',
  ' ',
  '\n',
  ';',
  '&&',
  '||',
  '|',
  '&',
  '$(',
  '`',
  ')',
  '(',
  '{ ',
  ';}',
  '"',
  "'",
  '\\',
  'cu',
  'rl',
  '<(',
  '<<E\n',
  '\nE\n',
  '<<<',
  '$((',
  '))',
  'if ',
  '; then ',
  '; fi',
  'f() ',
  'x=',
  '$x',
  '${x:-',
  '}',
  'echo ',
  'ls ',
  '#',
  '!',
  '{cu,}rl',
  '~',
  '*',
  "$'",
  '\\x63url',
  '\t',
  '2>&1',
  '</dev/null',
  '\\\n',
  'x[$(curl)]',
  '-eq',
  '[[ ',
  ' ]]',
  '\r',
  '\u00A0',
];
const bash = '/bin/bash';

test.skipIf(!existsSync(bash))(
  'what is allowed runs nothing in a real shell but what is allowed',
  () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'perdure-policy-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const log = path.join(folder, 'log');
    for (const program of ['git', 'curl', 'rl', 'cu', 'ls']) {
      writeFileSync(path.join(folder, program), `#!/bin/sh\nprintf '%s\\n' "\${0##*/} $1" >> ${log}\n`, {
        mode: 0o755,
      });
    }
    const profile = profileWith([{ commands: ['git status', 'echo **', 'ls **'], decision: 'allow' }]);
    const command = fc
      .tuple(
        fc.constantFrom('echo ', 'ls ', 'x=a; echo ', 'git status; ', ''),
        fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 7 }),
      )
      .map(([start, rest]) => start + rest.join(''));
    const allowed = fc
      .sample(command, { numRuns: 1000, seed: 20 })
      .filter((text) => decide(profile, call('execute', text)).decision === 'allow');
    // Starting a shell takes milliseconds; these are enough to meet every piece several times.
    const tried = [...new Set(allowed)].slice(0, 100);
    expect(tried.length).toBe(100);
    const escaped = tried.filter((text) => {
      writeFileSync(log, '');
      try {
        execFileSync(bash, ['-c', text], {
          cwd: folder,
          env: { PATH: folder },
          stdio: 'ignore',
          timeout: 10_000,
        });
      } catch (error) {
        // A syntax error or a program that is not there; what ran before it counts all the same.
        if (typeof (error as { status?: unknown }).status !== 'number') throw error;
      }
      return readFileSync(log, 'utf8')
        .split('\n')
        .some((line) => /^(curl|rl|cu) |^git (?!status$)/.test(line));
    });
    expect(escaped).toEqual([]);
  },
  60_000,
);

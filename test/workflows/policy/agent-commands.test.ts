import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { call, decide } from './decide.ts';

// Commands as agents write them, each with what the two profiles for headless runs decided while another parser's word
// was enough to allow them.
const before = JSON.parse(readFileSync(new URL('agent-commands.json', import.meta.url), 'utf8')) as Record<
  string,
  string
>;
const profiles = ['headless-safe-sandbox', 'headless-permissive-sandbox'] as const;
const signs: Record<string, string> = { allow: '+', ask: '?', deny: '-' };

test('as many of the commands that agents write are allowed as before', async () => {
  const rows = Object.entries(before).map(([command, decisions]) => {
    const decided = profiles.map((profile) => decide(profile, call('execute', command)));
    return {
      before: decisions.split(' '),
      after: decided.map(({ decision }) => decision),
      text: JSON.stringify(command),
      runs: decided.find(({ runs }) => runs !== undefined)?.runs,
    };
  });
  const count = (which: 'before' | 'after', index: number) =>
    rows.filter((row) => row[which][index] === 'allow').length;
  const counts = profiles.map(
    (name, index) => `${name}: ${count('before', index)} before, ${count('after', index)} after`,
  );
  for (const name of ['ask-before-changes', 'accept-edits']) {
    const allowed = Object.keys(before).filter(
      (command) => decide(name, call('execute', command)).decision === 'allow',
    );
    counts.push(`${name}: ${allowed.length}`);
  }
  console.log(`Of ${rows.length} commands allowed: ${counts.join('; ')}.`);
  const lines = rows.map(({ before: old, after, text, runs }) => {
    const [then, now] = [old, after].map((decisions) =>
      decisions.map((decision) => signs[decision]).join(''),
    );
    return `${then} ${now} ${text}${runs === undefined ? '' : `\n      ${JSON.stringify(runs)}`}`;
  });
  await expect([...counts, ...lines, ''].join('\n')).toMatchFileSnapshot('agent-commands.txt');
  // No reading of these is known to be the only one: functions, arithmetic and arrays.
  const lost = rows.filter(({ before: old, after }) =>
    old.some((decision, index) => decision === 'allow' && after[index] !== 'allow'),
  );
  expect(lost.map(({ text }) => text)).toEqual(
    ['x=$((1 + 2)); echo $x', 'function t() { npm test; }; t', 'arr=(a b); echo "${arr[0]}"'].map((text) =>
      JSON.stringify(text),
    ),
  );
});

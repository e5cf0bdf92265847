import { expect, test } from 'vitest';
import { toApprovalView } from '../../../../activities/store/approvals/approval-lists.ts';
import { writtenOut } from '../../../../workflows/contracts/hidden-characters.ts';

type Row = Parameters<typeof toApprovalView>[0];

const at = new Date();

function rowWith(subject: string): Row {
  return {
    ...{ id: 'a', tenant_id: 't', run_id: 'r', call_id: '1.0', kind: 'call', status: 'open', text: subject },
    ...{
      tool: 'shell',
      effect: 'execute',
      subject,
      input: { command: subject },
      input_hash: '',
      rule: '',
      reason: '',
    },
    ...{ decided: { projectRoot: null }, choices: [], created_at: at, escalate_at: at, deadline_at: at },
    ...{ decided_by: null, decided_at: null, note: null, edited: null },
  } as unknown as Row;
}

const everyCharacter = Array.from({ length: 0x110000 }, (_, code) => code)
  // Halves of surrogate pairs cannot be stored.
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map((code) => String.fromCodePoint(code));

test('the API writes out what hides, characters that are invisible letters too', () => {
  const text = everyCharacter.join('');
  expect(toApprovalView(rowWith(text)).subject).toBe(writtenOut(text));
  expect(toApprovalView(rowWith('ls \u3164 a')).text).toBe('ls \\u{3164} a');
});

test('a command that holds a character nobody sees cannot be remembered', () => {
  const remembers = ['ls a', 'ls a\u3164', 'ls a\u115f', 'ls a\u200b'].map(
    (subject) => toApprovalView(rowWith(subject)).remembers,
  );
  expect(remembers).toEqual([
    'the tool shell with exactly these arguments and no others: {"command":"ls a"}',
    ...[null, null, null],
  ]);
});

test('what would be remembered is said in words, with every argument or with how much is left out', () => {
  const said = (input: object) => toApprovalView({ ...rowWith('a'), input }).remembers;
  expect([
    said({ command: 'a', timeoutSeconds: 5 }),
    said({ path: 'a', content: 'x'.repeat(600) })?.slice(-60),
    said({ path: 'a', content: 'a\u202eb' }),
  ]).toEqual([
    'the tool shell with exactly these arguments and no others: {"command":"a","timeoutSeconds":5}',
    `${'x'.repeat(10)} … and the other 125 characters as they were shown`,
    null,
  ]);
});

// What is sent for what is typed: the questions about money, whose answers are amounts, and what is to be remembered.
import { expect, test } from 'vitest';
import { showApproval } from '../../../../api/cli/terminal/approval-panel.ts';
import { putApproval } from '../../../../api/cli/terminal/approval-prompt.ts';
import { createOutput } from '../../../../api/cli/terminal/output.ts';
import { createClient } from '../../../../api/client/client.ts';
import type { ApprovalView } from '../../../../workflows/contracts/approval.ts';

const limit: ApprovalView = {
  id: '01900000-0000-7000-8000-000000000001',
  runId: '01900000-0000-7000-8000-000000000002',
  kind: 'limit',
  callId: null,
  tool: null,
  effect: null,
  subject: null,
  runs: null,
  input: null,
  repairs: [],
  inputHash: 'run/costMicros',
  text: 'This run may spend $1.00 and has spent $1.00.',
  choices: [],
  limit: { name: 'costMicros', allowance: null },
  rule: null,
  reason: null,
  status: 'open',
  createdAt: new Date(0).toISOString(),
  escalateAt: new Date(0).toISOString(),
  deadlineAt: new Date(0).toISOString(),
  decidedBy: null,
  decidedAt: null,
  note: null,
  edited: false,
  remembers: null,
};

/** What reaches the server when a person types these lines, one for each question, and what they see. */
async function sentFor(...lines: string[]): ReturnType<typeof sentOf> {
  return sentOf(limit, ...lines);
}

async function sentOf(approval: ApprovalView, ...lines: string[]): ReturnType<typeof sentAt> {
  return sentAt(120, approval, ...lines);
}

async function sentAt(
  columns: number,
  approval: ApprovalView,
  ...lines: string[]
): Promise<{ sent: [path: string, body: unknown][]; shown: string }> {
  const sent: [string, unknown][] = [];
  let shown = '';
  const write = (text: string): void => void (shown += text);
  await putApproval({
    approval,
    output: createOutput({ write, isTTY: true, columns }, { write }, { NO_COLOR: '1' }),
    prompt: { ask: async () => lines.shift(), close: () => {} },
    client: createClient({
      url: 'http://127.0.0.1',
      token: 'token',
      async fetch(url, init) {
        const request = new Request(url, init);
        sent.push([request.url.split('/').at(-1) ?? '', await request.json()]);
        return new Response('{}', { status: 200 });
      },
    }),
  });
  return { sent, shown };
}

test('an amount in dollars is so much more for the run, whose own limit has no other answer but no', async () => {
  const { sent, shown } = await sentFor('y', '0', '$0.50');
  expect(sent).toEqual([['approve', { input: { costMicros: 500_000 } }]]);
  expect(shown.split('  Type an amount in dollars, or n, and Enter.\n')).toHaveLength(3);
  expect(shown).toContain('  │ This run may spend $1.00 and has spent $1.00.\n');
});

test('y has it try again where an allowance is used up, which no amount raises; n ends it with a word why', async () => {
  const ofTenant = { ...limit, limit: { name: 'dayCostMicros', allowance: 'tenant' } } as const;
  const { sent, shown } = await sentOf(ofTenant, '0.50', 'y');
  expect([sent, shown.includes('  Type y or n, and Enter.\n')]).toEqual([[['approve', {}]], true]);
  expect((await sentFor('n', 'Enough.')).sent).toEqual([['deny', { note: 'Enough.' }]]);
});

const call: ApprovalView = {
  ...limit,
  kind: 'call',
  limit: null,
  tool: 'shell',
  effect: 'execute',
  subject: 'make',
  input: { command: 'make' },
  remembers: 'the tool shell with exactly these arguments and no others: {"command":"make"}',
};

test('what runs in place of the command is shown under it', async () => {
  const { shown } = await sentOf({ ...call, runs: "make 'a b'" }, 'y');
  expect(shown).toContain("  │ make\n  which runs as\n  │ make 'a b'\n");
});

test('a text that differs in blanks and needless quotes only is shown once', async () => {
  const typed = { ...call, subject: 'make  "a" b', input: { command: 'make  "a" b' }, runs: 'make a b' };
  expect((await sentOf(typed, 'y')).shown).not.toContain('which runs as');
});

const change = `--- a/src/total.ts
+++ b/src/total.ts
@@ -1,3 +1,3 @@
 export function total(prices: number[]): number {
-  return prices.reduce((sum, price) => sum + price);
+  return prices.reduce((sum, price) => sum + price, 0);
 }
`;
const write: ApprovalView = {
  ...call,
  tool: 'write',
  effect: 'write',
  subject: 'src/total.ts',
  input: { path: 'src/total.ts', content: 'all of it' },
  change,
  rule: 'ask write',
  reason: 'it changes a file',
};
const which: ApprovalView = {
  ...limit,
  kind: 'question',
  text: 'Which rounding is meant for the totals of an order?',
  choices: ['Half up, as the invoice has it', 'Half to even'],
};

test('a change is shown as a diff, a question with its choices, and both fit 80 and 50 columns', async () => {
  let screens = '';
  for (const columns of [80, 50]) {
    for (const [approval, ...lines] of [
      [write, 'a', 'r', '', 'y'],
      [which, '2'],
    ] as const) {
      const { shown } = await sentAt(columns, approval, ...lines);
      expect(shown.split('\n').filter((line) => line.length > columns)).toEqual([]);
      screens += `${columns} columns\n${shown}\n`;
    }
  }
  await expect(screens).toMatchFileSnapshot('approval-screens.txt');
});

test('lines of a diff are coloured in a terminal', async () => {
  const shown = await drawn(write);
  expect(shown).toContain('\u001b[31m-  return');
  expect(shown).toContain('\u001b[32m+  return');
});

async function drawn(approval: ApprovalView): Promise<string> {
  let shown = '';
  const sink = { write: (text: string) => void (shown += text), isTTY: true, columns: 80 };
  showApproval(createOutput(sink, sink, {}), approval);
  return shown;
}

test('r shows what would be remembered, and is sent only with where', async () => {
  const { sent, shown } = await sentOf(call, 'r', 'here', '', 'r', 'everywhere');
  expect(sent).toEqual([['approve', { remember: { scope: 'global' } }]]);
  const rule =
    '  for 30 days: the tool shell with exactly these arguments and no others: {"command":"make"}\n';
  expect(shown.split(rule)).toHaveLength(3);
  expect(shown).toContain('  Type r, p or e, and Enter.\n');
});

test('what cannot be remembered is not, and is asked as before', async () => {
  const { sent, shown } = await sentOf({ ...call, remembers: null }, 'r', 'y');
  expect(sent).toEqual([['approve', {}]]);
  expect(shown).toContain('  This cannot be remembered.\n');
});

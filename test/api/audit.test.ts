import { expect, test } from 'vitest';
import { createTestApp } from '../support/test-app.ts';
import { asked, own } from './asked.ts';

interface Audited {
  actor: string;
  action: string;
  runId: string | null;
  callId: string | null;
  rule: string;
  reason: string;
  detail: Record<string, unknown>;
}

test('the audit has every decision with who, by which rule and why, in pages, and nothing of it can be changed', async () => {
  const api = await createTestApp();
  await api.ask('POST', '/policies', { profile: own });
  const { run, approvalOf } = await asked(api, 1, 'npm ci', 'rm -r x', 'ls');
  await api.ask('POST', `/approvals/${await approvalOf('1.0')}/approve`, { remember: { scope: 'run' } });
  await api.ask('POST', `/approvals/${await approvalOf('1.2')}/deny`, { note: 'Not now.' });

  const pages: Audited[] = [];
  for (let cursor = ''; ; ) {
    const { items, nextCursor } = (await api.ask('GET', `/audit?runId=${run.id}&limit=2${cursor}`)).json<{
      items: Audited[];
      nextCursor: string | null;
    }>();
    pages.push(...items);
    if (nextCursor === null) break;
    cursor = `&cursor=${nextCursor}`;
  }
  const facts = pages.map(({ actor, action, callId, rule, reason }) => [actor, action, callId, rule, reason]);
  expect(facts.toReversed()).toEqual([
    ['policy own', 'call-ask', '1.0', 'own: ask execute', 'own asks about execute'],
    ['policy own', 'call-deny', '1.1', 'own: deny execute: rm **', 'nothing is removed'],
    ['policy own', 'call-ask', '1.2', 'own: ask execute', 'own asks about execute'],
    ['the agent', 'approval-request/call', '1.0', '', 'shell npm ci'],
    ['the agent', 'approval-request/call', '1.2', '', 'shell ls'],
    ['first (api)', 'approval-approved/call', '1.0', 'own: ask execute', ''],
    ['first (api)', 'approval-denied/call', '1.2', 'own: ask execute', 'Not now.'],
  ]);
  expect(pages.at(-1)?.detail).toEqual({
    tool: 'shell',
    effect: 'execute',
    subject: 'npm ci',
    scope: 'run',
    profileVersion: 1,
    ruleIndex: 1,
    original: 'ask',
  });
  const { items } = (await api.ask('GET', '/audit?limit=100')).json<{ items: Audited[] }>();
  const others = items.filter(({ runId }) => runId === null).map(({ actor, action }) => [actor, action]);
  expect(others).toEqual([
    ['first (api)', 'answer-remember'],
    ['first (api)', 'policy-create'],
    ['first start', 'allowance-create'],
    ['first start', 'token-create'],
  ]);
  for (const change of ['delete from audit', "update audit set actor = 'nobody'"])
    await expect(api.database.pool.query(change)).rejects.toThrow();
  expect((await api.ask('GET', '/audit?cursor=x')).statusCode).toBe(400);
});

// A run that waits for a person, brought there by the store's own functions.
import type { RunRow } from '../../../activities/store/runs/runs.ts';
import type { ApprovalView } from '../../../workflows/contracts/approval.ts';
import { aCall, answerTimeOf, storeOver, type TestStore } from '../../support/store.ts';
import type { TestApp } from '../../support/test-app.ts';

type Changes = Parameters<typeof aCall>[1];

export interface WaitingRun {
  id: string;
  row: RunRow;
  store: TestStore;
  /** Of calls 1.0, 1.1 and so on, in this order. */
  approvals: ApprovalView[];
}

// Long enough for any test, short enough to be told in minutes.
const answerMs = 600_000;

export function asks(text: string, changes: Changes = {}): Changes {
  return { decision: 'ask', subject: text, asks: { kind: 'call', text, choices: [] }, ...changes };
}

export function question(text: string, ...choices: string[]): Changes {
  return { tool: 'ask-person', decision: 'ask', asks: { kind: 'question', text, choices } };
}

/** Asks for these calls in one step of a run of its own, or of the one given. */
export async function waitingRun(api: TestApp, calls: Changes[], given?: RunRow): Promise<WaitingRun> {
  const store = storeOver('', api.database, api.log);
  if (given) await store.begin(given);
  const row = given
    ? await store.run(given.id)
    : await store.started({ tenantId: api.tenantId, attended: true });
  await store.step(row, 1, {
    calls: calls.map((changes, index) => aCall(`1.${index}`, changes)),
    answerTime: answerTimeOf(answerMs),
  });
  const { items } = (await api.ask('GET', `/approvals?runId=${row.id}`)).json<{ items: ApprovalView[] }>();
  const approvals = items.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  return { id: row.id, row, store, approvals };
}

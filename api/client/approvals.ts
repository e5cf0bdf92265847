// The part of the client about what runs wait for people, or for the caller's own tools, to answer.
import type {
  ApprovalListView,
  ApprovalStatus,
  ApprovalView,
  ApproveBody,
  DenyBody,
  ResultsBody,
} from '../../workflows/contracts/approval.ts';
import type { ReceiptListView } from '../../workflows/contracts/receipt.ts';
import type { Transport } from './transport.ts';

interface ApprovalQuery {
  limit?: number;
  cursor?: string;
  runId?: string;
  status?: ApprovalStatus;
}

export function approvalCalls({ json }: Transport) {
  const of = (id: string): string => `/approvals/${encodeURIComponent(id)}`;
  return {
    /** What waits for people to answer, newest first. */
    approvals: (query?: ApprovalQuery) =>
      json<ApprovalListView>('GET', '/approvals', { query: { ...query } }),
    approval: (id: string) => json<ApprovalView>('GET', of(id)),
    approve: (id: string, body: ApproveBody = {}) =>
      json<ApprovalView>('POST', `${of(id)}/approve`, { body }),
    deny: (id: string, body: DenyBody = {}) => json<ApprovalView>('POST', `${of(id)}/deny`, { body }),
    /** What the tools answered that you execute yourself: all of it is taken or none. */
    bringResults: (runId: string, body: ResultsBody) =>
      json<ReceiptListView>('POST', `/runs/${encodeURIComponent(runId)}/results`, { body }),
  };
}

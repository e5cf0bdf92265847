// The part of the client about allowances and what was used.
import type {
  AllowanceListView,
  AllowanceView,
  ChangeAllowanceBody,
  LedgerListView,
  UsageBy,
  UsageView,
} from '../../workflows/contracts/allowance.ts';
import type { Transport } from './transport.ts';

interface PageQuery {
  limit?: number;
  cursor?: string;
}

export function allowanceCalls({ json }: Transport) {
  return {
    allowances: (query?: PageQuery & { name?: string }) =>
      json<AllowanceListView>('GET', '/allowances', { query: { ...query } }),
    /** Runs that wait for what is raised go on by themselves. */
    changeAllowance: (body: ChangeAllowanceBody) => json<AllowanceView>('PUT', '/allowances', { body }),
    /** Every reservation, settlement, refund and change of a limit, newest first. */
    ledger: (query?: PageQuery & { runId?: string }) =>
      json<LedgerListView>('GET', '/allowances/ledger', { query: { ...query } }),
    usage: (query?: { by?: UsageBy; from?: string; to?: string; limit?: number }) =>
      json<UsageView>('GET', '/usage', { query: { ...query } }),
  };
}

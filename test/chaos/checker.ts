// The offline checker: holds everything that was seen against the invariants and says what it found, figure by
// figure. It runs when all is over and changes nothing.
import { checkAcknowledged } from './checks/acknowledged.ts';
import { checkApprovals } from './checks/approvals.ts';
import { checkCalls } from './checks/calls.ts';
import { checkHomecomings } from './checks/homecomings.ts';
import { checkLog } from './checks/log.ts';
import { checkMoney } from './checks/money.ts';
import { checkReceived } from './checks/received.ts';
import { checkRecovery } from './checks/recovery.ts';
import type { Check, Evidence, Finding } from './evidence.ts';

const checks: readonly Check[] = [
  checkReceived,
  checkLog,
  checkCalls,
  checkHomecomings,
  checkApprovals,
  checkMoney,
  checkAcknowledged,
  checkRecovery,
];

export function check(evidence: Evidence): Finding {
  const findings = checks.map((one) => one(evidence));
  return {
    violations: findings.flatMap(({ violations }) => violations),
    figures: Object.assign({}, ...findings.map(({ figures }) => figures)) as Finding['figures'],
  };
}

// I5: every reservation is settled once, nothing stays held, and each pool is the sum of what the ledger says of it.
import type { Check, Finding, Money } from '../evidence.ts';

export const checkMoney: Check = ({ money }): Finding => {
  if (!money) return { violations: [], figures: {} };
  const settled = money.entries.filter(({ kind }) => kind === 'settle');
  return {
    violations: moneyProblems(money).map((problem) => ({ invariant: 'I5', problem })),
    figures: {
      reservations: money.entries.filter(({ kind }) => kind === 'reserve').length,
      'settled by an estimate': settled.filter(({ estimated }) => estimated).length,
      'settled with a possible rest': settled.filter((entry) => entry.possible_cost_micros > 0).length,
    },
  };
};

export function moneyProblems({ pools, entries, unclosed }: Money): string[] {
  const problems = unclosed.map((runId) => `the account of run ${runId} is open after its end`);
  const closings = Map.groupBy(
    entries.filter(({ closes }) => closes !== null),
    ({ run_id, step, attempt }) => `attempt ${attempt} of step ${step} of run ${run_id}`,
  );
  for (const [what, group] of closings) {
    const settled = group.filter(({ closes }) => closes).length;
    if (settled !== 1 || group.length !== 2)
      problems.push(`${what} has ${group.length - settled} reservations and ${settled} settlements`);
    const [held, settlement] = [group.find(({ closes }) => !closes), group.find(({ closes }) => closes)];
    const most = settlement && settlement.cost_micros + settlement.possible_cost_micros;
    // What a dead attempt may have cost beside its estimate is all that was reserved for it, and no more.
    if (held && settlement?.possible_cost_micros && most !== held.cost_micros)
      problems.push(`${what} may have cost ${most}, and ${held.cost_micros} were reserved`);
  }
  for (const pool of pools) {
    const own = entries.filter(({ allowances }) => allowances.includes(pool.id));
    const sum = (kind: string, of: 'tokens' | 'cost_micros'): number =>
      own.filter((entry) => entry.kind === kind).reduce((total, entry) => total + entry[of], 0);
    const wanted = {
      tokens: sum('settle', 'tokens') - sum('refund', 'tokens'),
      costMicros: sum('settle', 'cost_micros'),
      heldTokens: 0,
      heldCostMicros: 0,
    };
    const found = {
      tokens: pool.used_tokens,
      costMicros: pool.used_cost_micros,
      heldTokens: pool.held_tokens,
      heldCostMicros: pool.held_cost_micros,
    };
    if (JSON.stringify(found) !== JSON.stringify(wanted))
      problems.push(`${pool.name} holds ${JSON.stringify(found)}, its ledger says ${JSON.stringify(wanted)}`);
  }
  return problems;
}

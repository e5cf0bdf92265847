// The money of a run as people read it: what it has spent, apart from what its call under way holds. A charge without
// a known price says so, and does not look like a bill.
import type { RunView } from '../../../workflows/contracts/run.ts';
import { toDollars } from './figures.ts';

/** Such as "$0.41, $0.96 held". */
export function toRunMoney(
  run: Pick<RunView, 'costMicros' | 'ceilingCostMicros' | 'heldCostMicros'>,
): string {
  const spent = toSpent(run.costMicros, run.ceilingCostMicros > 0);
  return run.heldCostMicros === 0 ? spent : `${spent}, ${toDollars(run.heldCostMicros)} held`;
}

export function toSpent(costMicros: number, atCeiling: boolean): string {
  return atCeiling ? `${toDollars(costMicros)} estimated at a ceiling` : toDollars(costMicros);
}

/** What is charged in place of an unknown price, and how to give the price, in lines of their own. */
export function priceUnknownLines(
  model: string,
  ceiling: { inputMicros: number; outputMicros: number },
  setting: string,
): string[] {
  const example = JSON.stringify({ [model]: { dollars: { input: 1, output: 4 } } });
  return [
    `the price of ${model} is unknown: what it costs is estimated at a ceiling and is no bill, ` +
      `${toDollars(ceiling.inputMicros)} for a million tokens in and ${toDollars(ceiling.outputMicros)} out`,
    `give its price in dollars for a million tokens: ${setting}='${example}'`,
  ];
}

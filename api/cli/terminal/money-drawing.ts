// What is told of money while a run goes on.
import type { Event } from '../../../workflows/contracts/event.ts';
import { toAmount, toPeriod } from './limit-words.ts';
import type { Pen } from './pen.ts';
import { printable } from './printable.ts';
import { priceUnknownLines } from './run-money.ts';

export type MoneyEvent = Extract<Event, { type: 'budget-warning' | 'price-unknown' }>;

export function drawMoney({ warn, short }: Pen, event: MoneyEvent): void {
  switch (event.type) {
    case 'budget-warning': {
      const { allowance, model, limit, percent, used, allowed, endsAt } = event.payload;
      const of = model === '' ? allowance : `${allowance} for ${model}`;
      const until = endsAt === null ? '' : `, until ${endsAt}`;
      const [now, most] = [toAmount(limit, used), toAmount(limit, allowed)];
      return warn(`${percent} % of the allowance ${short(of)}: ${now} of ${most} ${toPeriod(limit)}${until}`);
    }
    case 'price-unknown': {
      const { model, ceiling, setting } = event.payload;
      return priceUnknownLines(printable(model), ceiling, printable(setting)).forEach(warn);
    }
  }
}

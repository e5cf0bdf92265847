// What people are told of a model whose price is not known, and whose use is charged at the configured ceiling.
import type { NewEvent } from '../../workflows/contracts/event.ts';
import type { ActivityDeps } from '../deps.ts';

// As in worker/config/settings.ts.
const setting = 'PERDURE_PRICES';

const none = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };

/** Empty where the price is known, or is nothing. */
export function unknownPrice({ price }: Pick<ActivityDeps, 'price'>, model: string): NewEvent[] {
  const input = price(model, { ...none, inputTokens: 1_000_000 });
  if (input.priced) return [];
  const output = price(model, { ...none, outputTokens: 1_000_000 });
  const ceiling = { inputMicros: input.costMicros, outputMicros: output.costMicros };
  return [{ type: 'price-unknown', payload: { model, ceiling, setting } }];
}

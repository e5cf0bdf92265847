// What a call costs, in whole micro-dollars, rounded up. An unknown price is never free: the ceiling is charged.
import { createRequire } from 'node:module';
import type { LlmUsage } from './llm.ts';

/** Micro-dollars for a million tokens. */
export interface Price {
  input: number;
  /** Left out: cached input costs as much as other input. */
  cachedInput?: number | undefined;
  output: number;
}

/** Prices from the configuration, by `provider/model` or `provider/*`; they go before the known ones. */
export type PriceOverlay = Record<string, Price>;

export interface Cost {
  costMicros: number;
  /** False: the price is not known, the ceiling was charged. */
  priced: boolean;
}

export function priceOf(
  provider: string,
  model: string,
  usage: LlmUsage,
  overlay: PriceOverlay,
  ceiling: Price,
): Cost {
  if (provider === 'scripted') return { costMicros: 0, priced: true };
  const own = ownPrice(overlay, `${provider}/${model}`) ?? ownPrice(overlay, `${provider}/*`);
  if (own !== undefined) return { costMicros: costAt(own, usage), priced: true };
  const known = knownCost(provider, model, usage);
  return known === undefined
    ? { costMicros: costAt(ceiling, usage), priced: false }
    : { costMicros: known, priced: true };
}

function ownPrice(overlay: PriceOverlay, name: string): Price | undefined {
  return Object.hasOwn(overlay, name) ? overlay[name] : undefined;
}

/** Big integers: tokens times price leaves the exact range of a number long before either is absurd. */
function costAt({ input, cachedInput, output }: Price, usage: LlmUsage): number {
  const part = (tokens: number, price: number): bigint => BigInt(tokens) * BigInt(Math.ceil(price));
  const fresh = usage.inputTokens - usage.cachedInputTokens;
  const sum =
    part(fresh, input) +
    part(usage.cachedInputTokens, cachedInput ?? input) +
    part(usage.outputTokens, output);
  return toMicros(Number((sum + 999_999n) / 1_000_000n));
}

const load = createRequire(import.meta.url);

/** A server of our own choosing may serve a known name at any price, so only the three vendors are looked up. */
function knownCost(provider: string, model: string, usage: LlmUsage): number | undefined {
  if (!['openai', 'anthropic', 'google'].includes(provider)) return undefined;
  // At the first question: a table of 5 MB, which a process without a vendor's model never needs.
  const { calcPrice } = load('@pydantic/genai-prices') as typeof import('@pydantic/genai-prices');
  const price = calcPrice(
    {
      input_tokens: usage.inputTokens,
      cache_read_tokens: usage.cachedInputTokens,
      cache_write_tokens: usage.cacheWriteTokens ?? 0,
      output_tokens: usage.outputTokens,
    },
    model,
    { providerId: provider },
  );
  // The table counts in dollars with fractions: what is below a billionth of one is its rounding, not a price.
  return price === null ? undefined : toMicros(Math.ceil(Number((price.total_price * 1e6).toFixed(3))));
}

function toMicros(value: number): number {
  return Math.min(value, Number.MAX_SAFE_INTEGER);
}

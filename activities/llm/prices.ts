// What a call costs, in whole micro-dollars, rounded up. A server of one's own costs nothing unless a price is given;
// any other unknown price is never free: the ceiling is charged.
import { createRequire } from 'node:module';
import type { LlmUsage } from './llm.ts';

/** Micro-dollars for a million tokens. */
export interface Price {
  input: number;
  /** Left out: cached input costs as much as other input. */
  cachedInput?: number | undefined;
  output: number;
}

/** What the configuration says about prices. */
export interface Prices {
  /** By `provider/model` or `provider/*`; they go before the known ones. */
  own: Record<string, Price>;
  /** Charged where no price is known. */
  ceiling: Price;
  /** Providers whose server is on a machine or network of one's own. */
  local: readonly string[];
}

export interface Cost {
  costMicros: number;
  /** False: the price is not known, the ceiling was charged. */
  priced: boolean;
}

export function priceOf(
  provider: string,
  model: string,
  usage: LlmUsage,
  { own: given, ceiling, local }: Prices,
): Cost {
  if (provider === 'scripted') return { costMicros: 0, priced: true };
  const price = givenPrice(given, `${provider}/${model}`) ?? givenPrice(given, `${provider}/*`);
  if (price !== undefined) return { costMicros: costAt(price, usage), priced: true };
  const own = local.includes(provider);
  // A local proxy in front of a vendor is paid for all the same, unless the model is one that can be run at home.
  const known = own && openWeights.test(model) ? undefined : knownCost(provider, model, usage);
  if (known !== undefined) return { costMicros: known, priced: true };
  return own ? { costMicros: 0, priced: true } : { costMicros: costAt(ceiling, usage), priced: false };
}

// Of the models in the vendors' price lists, those that the vendors give away.
const openWeights = /^(gpt-oss|gemma)/;

function givenPrice(prices: Prices['own'], name: string): Price | undefined {
  return Object.hasOwn(prices, name) ? prices[name] : undefined;
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

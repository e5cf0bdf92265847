// The most a model call can use and cost, as far as that can be known before it: what is reserved for it.
import { mostInputTokens } from '../llm/estimate-usage.ts';
import type { ModelPrice } from '../deps.ts';
import type { LlmRequest } from '../llm/llm.ts';
import type { WorstCase } from '../store/allowances/allowances.ts';

/** A model without a known price costs the configured ceiling, never nothing. */
export function worstCaseOf(
  price: ModelPrice,
  model: string,
  request: Pick<LlmRequest, 'messages' | 'tools' | 'maxOutputTokens'>,
): WorstCase {
  const inputTokens = mostInputTokens(request);
  const costOf = (outputTokens: number): number => {
    const usage = { inputTokens, cachedInputTokens: 0, outputTokens };
    // Where writing to the provider's cache has a price of its own, it is above that of reading anew.
    const written = { ...usage, cacheWriteTokens: inputTokens };
    return Math.max(price(model, usage).costMicros, price(model, written).costMicros);
  };
  const { maxOutputTokens: outputTokens } = request;
  return { inputTokens, outputTokens, costMicros: costOf(outputTokens), promptCostMicros: costOf(0) };
}

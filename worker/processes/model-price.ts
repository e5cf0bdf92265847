// What the use of a model costs by this configuration; the worker and the API's reconciler charge by the same prices.
import { priceOf } from '../../activities/llm/prices.ts';
import type { ModelPrice } from '../../activities/deps.ts';
import type { Config } from '../config/config.ts';

export function modelPrice(config: Pick<Config, 'prices' | 'unknownPriceMicrosPerMillion'>): ModelPrice {
  return (name, usage) => {
    const slash = name.indexOf('/');
    const provider = name.slice(0, slash);
    const model = name.slice(slash + 1);
    return priceOf(provider, model, usage, config.prices, config.unknownPriceMicrosPerMillion);
  };
}

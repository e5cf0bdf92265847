// What the use of a model costs by this configuration; the worker and the API's reconciler charge by the same prices.
import { isLocalServer } from '../../activities/llm/local-server.ts';
import { type Prices, priceOf } from '../../activities/llm/prices.ts';
import type { ModelPrice } from '../../activities/deps.ts';
import type { Config } from '../config/config.ts';

type PriceConfig = Pick<Config, 'prices' | 'unknownPriceMicrosPerMillion'> &
  Partial<Pick<Config, 'openaiBaseUrl' | 'anthropicBaseUrl' | 'googleBaseUrl' | 'compatibleBaseUrl'>>;

export function modelPrice(config: PriceConfig): ModelPrice {
  const servers = {
    openai: config.openaiBaseUrl,
    anthropic: config.anthropicBaseUrl,
    google: config.googleBaseUrl,
    compatible: config.compatibleBaseUrl,
  };
  const prices: Prices = {
    own: config.prices,
    ceiling: config.unknownPriceMicrosPerMillion,
    local: Object.entries(servers).flatMap(([provider, baseUrl]) =>
      isLocalServer(baseUrl) ? [provider] : [],
    ),
  };
  return (name, usage) => {
    const slash = name.indexOf('/');
    return priceOf(name.slice(0, slash), name.slice(slash + 1), usage, prices);
  };
}

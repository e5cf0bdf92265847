// How much prompt and answer a model's server takes, in tokens.
import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);

/**
 * `given`: what the configuration says of the model. `usual`: what stands for models of which nothing is known. Too large
 * a figure costs one refused request, which the run survives; too small a one sums conversations up too early.
 */
export function contextWindowOf(
  provider: string,
  model: string,
  { given, usual }: { given: number | undefined; usual: number },
): number {
  return given ?? listed(provider, model) ?? usual;
}

/** A server of our own choosing may serve a known name with any window, so only the three vendors are looked up. */
function listed(provider: string, model: string): number | undefined {
  if (!['openai', 'anthropic', 'google'].includes(provider)) return undefined;
  // At the first question: a table of 5 MB, which a process without a vendor's model never needs.
  const { calcPrice } = load('@pydantic/genai-prices') as typeof import('@pydantic/genai-prices');
  const none = { input_tokens: 0, output_tokens: 0 };
  return calcPrice(none, model, { providerId: provider })?.model.context_window;
}

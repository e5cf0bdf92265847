// What a provider over the network is made from.
import type { ProfileOverrides } from './choose-profile.ts';
import type { LlmRequest } from './llm.ts';
import type { Stalls } from './stalls.ts';

export interface ProviderSettings {
  /** Undefined: the provider is listed, and says what is missing when it is asked. */
  apiKey: string | undefined;
  /** Undefined: the provider's own address. */
  baseUrl: string | undefined;
  stalls(request: LlmRequest): Stalls;
  /** What the configuration says of its models. */
  modelProfiles?: ProfileOverrides | undefined;
}

// How a model call's use becomes money; the worker binds it to the price table and the configured ceiling.
import type { LlmUsage } from '../llm/llm.ts';

/** Integer micro-dollars, rounded up. `priced` is false when the ceiling was charged for want of a price. */
export type ModelPrice = (model: string, usage: LlmUsage) => { costMicros: number; priced: boolean };

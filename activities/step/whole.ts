// Whether an answer is whole. One that was cut, paused or says nothing is no success: it is stored as a step of its own,
// and the next step asks for the rest.
import type { Unfinished } from '../../workflows/contracts/run.ts';
import type { LlmCall } from '../llm/llm.ts';
import type { Streamed } from './use.ts';

/** What is missing; undefined: it is whole. Thoughts are neither words nor a call. */
export function missingOf({ text, calls, reason }: Streamed): Unfinished | undefined {
  const silent = calls.length === 0 && text.trim() === '';
  if (reason === 'paused' && calls.length === 0) return 'paused';
  if (silent) return 'empty';
  const cut = reason === 'length' && (calls.length === 0 || calls.some((call) => call.cut));
  return cut ? 'cut' : undefined;
}

/** Marks the calls in whose arguments an answer was cut: what is there may parse as something else than was meant. */
export function markCut({ calls, reason }: Pick<Streamed, 'calls' | 'reason'>): LlmCall[] {
  return reason === 'length'
    ? calls.map((call) => (isObject(call.input) ? call : { ...call, cut: true }))
    : calls;
}

/** Only a closed object shows that nothing is missing: of no arguments at all, none may have come yet. */
function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' && !Array.isArray(value);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

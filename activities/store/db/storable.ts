// What Postgres can hold: text and JSON made storable, and whether they are.
import { toStorable } from '../../../workflows/contracts/storable.ts';

// How JSON.stringify writes the two; a look at the text is much cheaper than visiting every value.
const suspicious = /\\u0000|\\ud[89a-f]/;

/** JSON that jsonb accepts; what it would refuse is replaced. */
export function toStorableJson(value: unknown): string {
  const json = JSON.stringify(value);
  return suspicious.test(json) ? JSON.stringify(clean(JSON.parse(json))) : json;
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') return toStorable(value);
  if (Array.isArray(value)) return value.map(clean);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [toStorable(key), clean(inner)]));
}

/** Whether anything in a value stands within more than so many objects and arrays. */
export function isDeeperThan(levels: number, value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > levels) return true;
    level = level.flatMap((outer) =>
      typeof outer === 'object' && outer !== null ? Object.values(outer) : [],
    );
  }
  return false;
}

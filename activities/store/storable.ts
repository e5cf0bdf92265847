// What Postgres can hold as text: no NUL, no half of a surrogate pair. Models and tools produce both.

export function toStorable(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\uFFFD');
}

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

export function isStorable(value: unknown): boolean {
  const json = JSON.stringify(value);
  return json === undefined || toStorableJson(value) === json;
}

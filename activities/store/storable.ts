// What Postgres can hold as text: no NUL, no half of a surrogate pair. Models and tools produce both.

export function toStorable(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\uFFFD');
}

// How JSON.stringify writes the two; a look at the text is much cheaper than visiting every value.
const suspicious = /\\u0000|\\ud[89a-f]/;

/** JSON that jsonb accepts; what it would refuse is replaced. */
export function toStorableJson(value: unknown): string {
  const json = JSON.stringify(value);
  if (!suspicious.test(json)) return json;
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'string' ? toStorable(inner) : inner,
  );
}

export function isStorable(value: unknown): boolean {
  return !suspicious.test(JSON.stringify(value) ?? '') || toStorableJson(value) === JSON.stringify(value);
}

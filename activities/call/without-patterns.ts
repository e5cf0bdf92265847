// A caller's JSON Schema without its regular expressions. Some of these take for ever on a few letters, and nothing
// tells which; so checking them is left to the caller. The schema that is left accepts all that the whole one accepts,
// and more.

const schemas = new Set([
  'items',
  'prefixItems',
  'additionalProperties',
  'propertyNames',
  'anyOf',
  'allOf',
  'oneOf',
]);
const namedSchemas = new Set(['properties', '$defs', 'definitions']);

type Schema = Record<string, unknown>;

export function withoutPatterns(schema: Schema): Schema {
  const kept = Object.entries(schema).filter(([keyword]) => !isPattern(keyword, schema));
  const { oneOf, ...rest } = Object.fromEntries(
    kept.map(([keyword, value]) => [keyword, within(keyword, value)]),
  );
  if (oneOf === undefined) return rest;
  // Alternatives that only their expressions told apart may all fit now.
  const others: unknown[] = Array.isArray(rest['allOf']) ? rest['allOf'] : [];
  return { ...rest, allOf: [...others, { anyOf: oneOf }] };
}

function isPattern(keyword: string, schema: Schema): boolean {
  // The expressions for names also decide which properties are additional.
  if (keyword === 'additionalProperties') return 'patternProperties' in schema;
  return keyword === 'pattern' || keyword === 'patternProperties';
}

/** Other keywords hold data, or schemas that must not fit (`not`): asking less there would refuse more. */
function within(keyword: string, value: unknown): unknown {
  if (schemas.has(keyword)) return Array.isArray(value) ? value.map(simplify) : simplify(value);
  if (!namedSchemas.has(keyword) || !isSchema(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, simplify(schema)]));
}

/** A schema may be a boolean as well. */
function simplify(value: unknown): unknown {
  return isSchema(value) ? withoutPatterns(value) : value;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

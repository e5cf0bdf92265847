// A tool's schema without the bounds that make a grammar large. Servers that build a grammar out of the tools write a
// bound as so many repetitions, and refuse the request when there are too many. The tool checks its arguments itself.

type Json = Record<string, unknown>;

// Far below what llama.cpp takes for one repetition (2,000), since bounds of nested schemas are multiplied.
const mostRepetitions = 64;

const repetitions = ['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties'];
// Patterns and formats become rules of their own, and those that are nested or not anchored are refused.
const dropped = [
  'pattern',
  'format',
  'patternProperties',
  'propertyNames',
  'uniqueItems',
  'contentEncoding',
  '$schema',
];
const listsOfSchemas = ['anyOf', 'oneOf', 'allOf', 'prefixItems'];
const mapsOfSchemas = ['properties', '$defs', 'definitions', 'dependentSchemas'];
const schemas = ['items', 'additionalProperties', 'not', 'if', 'then', 'else', 'contains', 'additionalItems'];

/** Only keywords are looked at: a property, a default or an example may be called like one. */
export function boundSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(boundSchema);
  if (schema === null || typeof schema !== 'object') return schema;
  const kept = Object.entries(schema as Json).filter(([key, value]) => !isLarge(key, value));
  return Object.fromEntries(kept.map(([key, value]) => [key, inside(key, value)]));
}

function isLarge(key: string, value: unknown): boolean {
  if (dropped.includes(key)) return true;
  return repetitions.includes(key) && !(typeof value === 'number' && value <= mostRepetitions);
}

function inside(key: string, value: unknown): unknown {
  if (schemas.includes(key) || listsOfSchemas.includes(key)) return boundSchema(value);
  if (!mapsOfSchemas.includes(key) || value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, boundSchema(each)]));
}

// Values that a schema of the API's description allows, as fast-check generates them.
import fc from 'fast-check';

export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  propertyNames?: Schema;
}

export type Schemas = Record<string, Schema>;

// Long and deep values are the business of the tests of limits; here every field is tried in every way.
const usualLength = 40;
const usualItems = 3;

const withoutNul = (value: unknown): boolean => !JSON.stringify(value).includes('\\u0000');
// As keys they are refused in every body, whatever its schema says.
const withoutProto = (value: unknown): boolean => !/"(__proto__|constructor)":/.test(JSON.stringify(value));

export function valuesOf(schema: Schema, schemas: Schemas): fc.Arbitrary<unknown> {
  if (schema.$ref) return valuesOf(schemas[schema.$ref.replace('#/components/schemas/', '')] ?? {}, schemas);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if ('const' in schema) return fc.constant(schema.const);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map((choice) => valuesOf(choice, schemas)));
  switch (schema.type) {
    case 'string':
      return textsOf(schema);
    case 'integer':
      return fc
        .bigInt({
          min: BigInt(schema.minimum ?? Number.MIN_SAFE_INTEGER),
          max: BigInt(schema.maximum ?? Number.MAX_SAFE_INTEGER),
        })
        .map(Number);
    case 'number':
      return fc.double({ min: schema.minimum ?? -1e6, max: schema.maximum ?? 1e6, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(valuesOf(schema.items ?? {}, schemas), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.max(schema.minItems ?? 0, Math.min(schema.maxItems ?? usualItems, usualItems)),
      });
    case 'object':
      return objectsOf(schema, schemas);
    default:
      return fc.jsonValue({ maxDepth: 3 }).filter((value) => withoutNul(value) && withoutProto(value));
  }
}

function objectsOf(schema: Schema, schemas: Schemas): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties: more, propertyNames } = schema;
  const fields = Object.entries(properties).map(([name, of]) => [name, valuesOf(of, schemas)] as const);
  const named = fc.record(Object.fromEntries(fields), { requiredKeys: required });
  if (more === false || (more === undefined && fields.length > 0)) return named;
  const others = fc.dictionary(
    textsOf({ ...propertyNames, type: 'string' }).filter((name) => withoutNul(name) && !(name in {})),
    valuesOf(more === true || more === undefined ? {} : more, schemas),
    { maxKeys: usualItems },
  );
  return fc.tuple(others, named).map(([all, of]) => ({ ...all, ...(of as object) }));
}

function textsOf(schema: Schema): fc.Arbitrary<string> {
  const patterns = [schema, ...(schema.allOf ?? [])].flatMap(({ pattern }) =>
    pattern === undefined ? [] : [new RegExp(pattern, 'u')],
  );
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema;
  const fits = (text: string): boolean =>
    [...text].length >= minLength && text.length <= maxLength && patterns.every((each) => each.test(text));
  return rawTexts(schema, patterns).filter(fits);
}

function rawTexts({ format, minLength = 0, maxLength }: Schema, patterns: RegExp[]): fc.Arbitrary<string> {
  if (format === 'uuid') return fc.uuid({ version: 7 });
  const days = fc.date({ min: new Date('1970-01-01'), max: new Date('2999-12-31'), noInvalidDate: true });
  if (format === 'date') return days.map((day) => day.toISOString().slice(0, 10));
  if (format === 'date-time') return days.map((day) => day.toISOString());
  const size = { minLength, maxLength: Math.max(minLength, Math.min(maxLength ?? usualLength, usualLength)) };
  const texts = fc.oneof(
    fc.string({ unit: 'grapheme', ...size }),
    fc.string({ unit: 'binary-ascii', ...size }),
    // What fits nearly every pattern: a filter that nothing passes would never end.
    fc.string({
      unit: fc.constantFrom(...'abcdef019'),
      minLength: Math.max(1, minLength),
      maxLength: size.maxLength,
    }),
  );
  const [first] = patterns;
  // A class of Unicode, which fast-check does not generate, or one that nearly every text fits.
  if (!first || /\\p|^\^\[\^|^\\S$|\(\?[!=]/.test(first.source)) return texts;
  if (first.source === '^\\/') return texts.map((text) => `/${text}`);
  return fc.stringMatching(first, { size: 'small' });
}

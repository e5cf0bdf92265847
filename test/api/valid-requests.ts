// Requests that fit the description in every part.
import fc from 'fast-check';
import { type Schema, type Schemas, valuesOf } from './from-schema.ts';
import { type Operation, pathSegment, type Sent } from './operations.ts';

export function validRequestsOf(
  operation: Operation,
  known: Record<string, string[]>,
  schemas: Schemas,
): fc.Arbitrary<Sent> {
  const { parameters = [], requestBody, path } = operation;
  const knownOf = (name: string, { pattern = '', enum: choices }: Schema): string[] =>
    (choices as string[] | undefined) ?? (known[name] ?? []).filter((each) => new RegExp(pattern).test(each));
  const partOf = (place: string): fc.Arbitrary<Record<string, string>> => {
    // A wait is no malformed request, only a long one.
    const of = parameters.filter((one) => one.in === place && one.name !== 'wait');
    const values = of.map(({ name, schema }) => [
      name,
      fc.oneof(
        ...(place === 'path' ? [fc.constantFrom(...knownOf(name, schema))] : []),
        valuesOf(schema, schemas).map(String),
      ),
    ]);
    const requiredKeys = of.filter(({ required }) => required === true).map(({ name }) => name);
    return fc.record(Object.fromEntries(values), { requiredKeys }) as fc.Arbitrary<Record<string, string>>;
  };
  const json = requestBody?.content['application/json'];
  const body = json
    ? fc.option(valuesOf(json.schema, schemas), {
        nil: undefined,
        freq: requestBody?.required === true ? Number.MAX_SAFE_INTEGER : 5,
      })
    : fc.constant(undefined);
  return fc
    .tuple(partOf('path'), partOf('query'), partOf('header'), body)
    .map(([inPath, query, headers, value]) => {
      const place = path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => pathSegment(inPath[name] ?? ''));
      const search = new URLSearchParams(query).toString();
      return {
        path: search === '' ? place : `${place}?${search}`,
        headers: { ...headers, ...(value !== undefined && { 'content-type': 'application/json' }) },
        body: value === undefined ? undefined : JSON.stringify(value),
      };
    });
}

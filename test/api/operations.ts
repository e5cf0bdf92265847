// The operations of the API as its own description says them, and a request to one.
import type { TestApp } from '../support/test-app.ts';
import type { Schema, Schemas } from './from-schema.ts';

export interface Operation {
  method: string;
  path: string;
  operationId: string;
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content: { 'application/json': { schema: Schema; example?: object } } };
}

export interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  schema: Schema;
}

export interface Sent {
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
}

interface Description {
  paths: Record<string, Record<string, Omit<Operation, 'method' | 'path'>>>;
  components: { schemas: Schemas; parameters: Record<string, Parameter> };
}

export async function operationsOf(api: TestApp): Promise<{ operations: Operation[]; schemas: Schemas }> {
  const { paths, components } = (await api.app.inject({ url: '/api/openapi.json' })).json<Description>();
  const resolve = (one: Parameter & { $ref?: string }): Parameter =>
    components.parameters[one.$ref?.replace('#/components/parameters/', '') ?? ''] ?? one;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      parameters: (operation.parameters ?? []).map(resolve),
      method: method.toUpperCase(),
      path,
    })),
  );
  return { operations, schemas: components.schemas };
}

// What may stand in a request line or a header of HTTP at all: the rest never leaves the client.
export const pathSegment = (text: string): string =>
  text.replaceAll(/[^\x21-\x7e]|[/?#]/gu, (part) => encoded(part));
const encoded = (part: string): string =>
  [...Buffer.from(part)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
export const headerText = (text: string): string => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/gu, '?');

// Adds to the description of the API what the routes' schemas do not say: the headers that every route takes and gives,
// examples, and of the schemas those that are used.
/** Of a route's body and of its main answer. */
export interface Example {
  body?: unknown;
  /** Its body is no JSON but bytes of any type. */
  bytes?: boolean;
  answer?: unknown;
  /** Of a 200 beside the 202: a run that ended meanwhile. */
  ended?: unknown;
}

interface Parameter {
  name?: string;
  in?: string;
  schema?: { type?: string };
  $ref?: string;
}

interface Answer {
  description?: string;
  headers?: object;
  content?: Record<string, { schema?: object; example?: unknown }>;
}

interface Operation {
  operationId?: string;
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content?: Record<string, { schema?: object; example?: unknown }> };
  responses?: Record<string, Answer>;
}

/** The part of an OpenAPI document that is worked on. */
interface Document {
  paths?: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, object> };
}

const parameters = {
  RequestId: {
    name: 'X-Request-Id',
    in: 'header',
    description:
      'Your own id for this request, of 1 to 128 letters, digits, dots, underscores and hyphens: it is echoed, logged, and kept with what the request starts. For any other one is made.',
    // Every header that HTTP lets through: none is refused.
    schema: { type: 'string', pattern: '^[\\t\\x20-\\x7e\\x80-\\xff]*$' },
  },
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description:
      'The same request with the same key gets the answer of the first and does nothing, for 24 hours. 422 for another body, 409 while the first is under way.',
    schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' },
  },
  LastEventId: {
    name: 'Last-Event-ID',
    in: 'header',
    description:
      'The number of the last event that you have, as browsers send it; it goes before `after`. 400 InvalidCursor for a number that this stream has not reached.',
    schema: { type: 'string', pattern: '^\\d{1,19}$' },
  },
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    description:
      'The version that you have seen, in quotes. With it `version` in the body may be left out, which its schema cannot say.',
    schema: { type: 'string', pattern: '^"\\d{1,9}"$' },
  },
};

const headers = {
  RequestId: { description: 'The id of this request.', schema: { type: 'string' } },
  RetryAfter: {
    description: 'With 429, 503 and 507: the seconds after which to try again.',
    schema: { type: 'integer' },
  },
  IdempotentReplayed: {
    description: '`true` when this is the answer of an earlier request with the same key.',
    schema: { type: 'string', enum: ['true'] },
  },
  Allow: { description: 'With 405: the methods of this path.', schema: { type: 'string' } },
};

const headerRef = (name: keyof typeof headers) => ({ $ref: `#/components/headers/${name}` });
const parameterRef = (name: keyof typeof parameters) => ({ $ref: `#/components/parameters/${name}` });

const usualDescriptions: Record<string, string> = {
  200: 'Done, or found.',
  201: 'Made.',
  202: 'Accepted: it is stored, and is carried out whatever is killed meanwhile.',
  204: 'Done; there is nothing to say.',
  503: 'The same, when something is down.',
};

/** Operations that say the version they change by `If-Match` too. */
const versioned = new Set(['updatePolicy', 'changeAllowance']);

/** Completes a document that has been made of the routes' schemas. */
export function completeDescription<Made extends object>(made: Made, examples: Map<string, Example>): Made {
  const document = made as Made & Document;
  const seen = new Set<unknown>();
  for (const item of Object.values(document.paths ?? {}))
    for (const [method, operation] of Object.entries(item)) {
      complete(method, operation, examples);
      const taken = [...(operation.parameters ?? []), ...Object.values(operation.requestBody?.content ?? {})];
      for (const { schema } of taken) limitTexts(schema, document.components?.schemas ?? {}, seen);
    }
  document.components = {
    ...document.components,
    schemas: usedSchemas(document),
    ...{ parameters, headers },
  };
  return document;
}

function complete(method: string, operation: Operation, examples: Map<string, Example>): void {
  const { operationId = '', responses = {} } = operation;
  const changes = method !== 'get' && method !== 'head';
  operation.parameters = [
    ...(operation.parameters ?? []),
    parameterRef('RequestId'),
    ...(changes ? [parameterRef('IdempotencyKey')] : []),
    ...('200' in responses && responses['200']?.content?.['text/event-stream']
      ? [parameterRef('LastEventId')]
      : []),
    ...(versioned.has(operationId) ? [parameterRef('IfMatch')] : []),
  ];
  for (const [status, answer] of Object.entries(responses)) {
    if (answer.description === 'Default Response' || !answer.description)
      answer.description = usualDescriptions[status] ?? 'The answer.';
    const isProblem = !status.startsWith('2');
    answer.headers = {
      ...answer.headers,
      'X-Request-Id': headerRef('RequestId'),
      ...(isProblem && { 'Retry-After': headerRef('RetryAfter') }),
      ...(isProblem && status.startsWith('4') && { Allow: headerRef('Allow') }),
      ...(changes && { 'Idempotent-Replayed': headerRef('IdempotentReplayed') }),
    };
  }
  const example = examples.get(operationId);
  if (!example) return;
  if (example.bytes)
    operation.requestBody = {
      required: true,
      content: { '*/*': { schema: { type: 'string', format: 'binary' } } },
    };
  put(operation.requestBody?.content, example.body);
  put(responses['200']?.content, example.ended ?? example.answer);
  put(responses['201']?.content, example.answer);
  put(responses['202']?.content, example.answer);
}

function put(content: Answer['content'], example: unknown): void {
  const json = content?.['application/json'];
  if (json && example !== undefined) json.example = example;
}

// As the reader of bodies refuses it wherever it stands (plugins/json-body.ts).
const withoutNul = '^[^\\u0000]*$';

interface Text {
  $ref?: string;
  type?: string;
  pattern?: string;
  allOf?: { pattern?: string }[];
}

function takesNul({ pattern }: Pick<Text, 'pattern'>): boolean {
  return pattern === undefined || new RegExp(pattern, 'u').test('a\0a');
}

/** Says of every text that a request may carry what holds for all of them. */
function limitTexts(schema: unknown, schemas: Record<string, object>, seen: Set<unknown>): void {
  if (typeof schema !== 'object' || schema === null || seen.has(schema)) return;
  seen.add(schema);
  const { $ref, type, pattern, allOf = [] } = schema as Text;
  if ($ref) limitTexts(schemas[$ref.replace('#/components/schemas/', '')], schemas, seen);
  if (type === 'string' && !('enum' in schema) && [{ pattern }, ...allOf].every(takesNul))
    Object.assign(
      schema,
      pattern === undefined ? { pattern: withoutNul } : { allOf: [...allOf, { pattern: withoutNul }] },
    );
  for (const inner of Object.values(schema)) limitTexts(inner, schemas, seen);
}

const reference = /"\$ref":"#\/components\/schemas\/([^"]+)"/g;

/** Those that the paths lead to, by themselves or through others. */
function usedSchemas({ paths, components }: Document): Record<string, object> {
  const all = components?.schemas ?? {};
  const used = new Set<string>();
  const look = (at: unknown): void => {
    for (const [, name = ''] of JSON.stringify(at ?? {}).matchAll(reference)) {
      if (used.has(name)) continue;
      used.add(name);
      look(all[name]);
    }
  };
  look(paths);
  return Object.fromEntries(Object.entries(all).filter(([name]) => used.has(name)));
}

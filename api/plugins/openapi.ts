// The description of the API at /api/openapi.json, made of the schemas the routes check with, and its reader at /docs.
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { createJsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Of what the route takes and of its main answer, for the description. */
    example?: Example;
  }
}

interface Example {
  body?: unknown;
  answer?: unknown;
}

const transform = createJsonSchemaTransform({});

const introduction = `Start runs, follow what they do, and steer or stop them.

Every POST takes an \`Idempotency-Key\`: the same request again gets the same answer and does nothing. Errors are
problem documents (RFC 9457) whose \`code\` says what happened. Lists answer \`{items, nextCursor}\`.`;

const tags = [
  { name: 'runs', description: 'One agent execution each.' },
  { name: 'events', description: 'What happened, in order, as pages or as it comes.' },
  { name: 'calls', description: 'Tool calls of a run.' },
  { name: 'conversations', description: 'Chains of runs that share their context.' },
  { name: 'dead letters', description: 'What used up its attempts and waits for a person.' },
  { name: 'system', description: 'Health and models.' },
  { name: 'embedded', description: 'Processes under our own supervisor; callers on the same machine only.' },
];

export async function describeApi(app: FastifyInstance, version: string): Promise<void> {
  const examples = new Map<string, Example>();
  app.addHook('onRoute', ({ schema, config }) => {
    const { operationId } = (schema ?? {}) as { operationId?: string };
    if (operationId !== undefined && config?.example) examples.set(operationId, config.example);
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Perdure', version, description: introduction, license: { name: 'Apache-2.0' } },
      tags,
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'The token in the data folder.' },
        },
      },
      security: [{ token: [] }],
    },
    transform,
    transformObject: (document) => addExamples(jsonSchemaTransformObject(document), examples),
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    indexPrefix: '',
    // The reader brings styles of its own; hashes of them join our policy on its pages alone.
    staticCSP: true,
  });
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}

type Document = ReturnType<typeof jsonSchemaTransformObject>;

function addExamples(document: Document, examples: Map<string, Example>): Document {
  const { paths = {} } = document as unknown as { paths?: Record<string, Record<string, Operation>> };
  for (const operation of Object.values(paths).flatMap((item) => Object.values(item))) {
    const example = examples.get(operation.operationId ?? '');
    if (!example) continue;
    put(operation.requestBody, example.body);
    put(operation.responses?.['200'], example.answer);
    put(operation.responses?.['202'], example.answer);
  }
  return document;
}

interface Operation {
  operationId?: string;
  requestBody?: Holder;
  responses?: Record<string, Holder>;
}

interface Holder {
  content?: Record<string, { example?: unknown }>;
}

function put(holder: Holder | undefined, example: unknown): void {
  const json = holder?.content?.['application/json'];
  if (json && example !== undefined) json.example = example;
}

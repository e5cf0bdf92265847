// The description of the API at /api/openapi.json, made of the schemas the routes check with, and its reader at /docs.
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { createJsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { addExamples } from './openapi-examples.ts';

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
    transformObject: (document) => addExamples(jsonSchemaTransformObject(document)),
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    indexPrefix: '',
    // The reader brings styles of its own; hashes of them join our policy on its pages alone.
    staticCSP: true,
  });
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}

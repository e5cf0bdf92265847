// The description of the API at /api/openapi.json, made of the schemas the routes check with, and its reader at /docs.
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { completeDescription, type Example } from './description.ts';
import { createJsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';

declare module 'fastify' {
  interface FastifyContextConfig {
    example?: Example;
  }
}

const transform = createJsonSchemaTransform({});

const introduction = `Start runs, follow what they do, and steer or stop them.

Every request that changes something takes an \`Idempotency-Key\`: the same request again gets the same answer and does
nothing. Errors are problem documents (RFC 9457) whose \`code\` says what happened. Lists answer \`{items, nextCursor}\`;
\`cursor\` asks for the next page. HEAD is answered wherever GET is, streams and waits apart; OPTIONS says which methods a
path takes, as a 405 does to any other method.`;

const tags = [
  { name: 'runs', description: 'One agent execution each: start it, wait for it, steer it, stop it.' },
  { name: 'events', description: 'What happened, in order, as pages or as it comes.' },
  { name: 'calls', description: 'Tool calls of a run.' },
  { name: 'checkpoints', description: 'What a run did to its project, and taking it back.' },
  { name: 'approvals', description: 'What a run asks people, or its caller, to answer.' },
  { name: 'conversations', description: 'Chains of runs that share their context.' },
  {
    name: 'presets',
    description: 'What runs of one kind go by, under a name; the built-in ones are the modes.',
  },
  { name: 'workspaces', description: 'Directories of which runs work in the first and can read the others.' },
  { name: 'policies', description: 'Profiles that decide what a run may do, and where they apply.' },
  { name: 'allowances', description: 'What runs may use, what they have used, and each unit of it.' },
  { name: 'audit', description: 'Every decision, with who made it and why.' },
  {
    name: 'schedules',
    description: 'Runs that are started again and again, and what became of each due time.',
  },
  { name: 'tasks', description: 'Work that waits for an executor and for other tasks, by priority.' },
  { name: 'webhooks', description: 'Endpoints of others that are told of events as they come.' },
  { name: 'executors', description: 'Workers and outside agents that take tasks.' },
  { name: 'dead letters', description: 'What used up its attempts and waits for a person.' },
  { name: 'retention', description: 'How long what is kept, and deleting it before.' },
  { name: 'tokens', description: 'Who may use this API.' },
  { name: 'find', description: 'What an id means that is only partly known.' },
  { name: 'system', description: 'Health, models and sandboxes.' },
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
      info: {
        title: 'Perdure',
        version,
        description: introduction,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
        contact: { name: 'Whoever runs this server' },
      },
      // The address that this document was read from: paths are below it, whatever its name.
      servers: [{ url: '/', description: 'The server that this description comes from.' }],
      tags,
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'The token in the data folder.' },
        },
      },
      security: [{ token: [] }],
    },
    transform,
    transformObject: (document) => completeDescription(jsonSchemaTransformObject(document), examples),
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    indexPrefix: '',
    // The reader brings styles of its own; hashes of them join our policy on its pages alone.
    staticCSP: true,
  });
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}

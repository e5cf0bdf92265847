// The processes under our own supervisor, for the person at the machine: list them, kill one, run the demo.
// Registered only when there is a supervisor, and answered only to callers on loopback.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Failure } from '../../workflows/contracts/failures.ts';
import { DemoView, ProcessListView, processNames } from '../../workflows/contracts/system.ts';
import type { EmbeddedDeps } from '../deps.ts';
import type { Api, Parts } from '../parts.ts';
import { killProcess } from '../verbs/kill-process.ts';
import { startDemo } from '../verbs/start-demo.ts';
import { conversationId, runId } from './examples.ts';
import { problems } from './problems.ts';

const loopback = /^(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|::ffff:127\.\d{1,3}\.\d{1,3}\.\d{1,3})$/;
// A POST without content may come with an empty object or with nothing.
const NoBody = z.strictObject({}).nullish();

export function embeddedRoutes(api: Api, parts: Parts, embedded: EmbeddedDeps): void {
  // The address of the socket, never a header: any client can write one. A proxy on this machine is on loopback for all
  // its callers, and says so by a header: no client behind one is let in.
  const onRequest = async (request: FastifyRequest): Promise<void> => {
    const proxied = 'x-forwarded-for' in request.headers || 'forwarded' in request.headers;
    if (!proxied && loopback.test(request.raw.socket.remoteAddress ?? '')) return;
    throw new Failure('Forbidden', 'This is for callers on the same machine only.');
  };

  api.get(
    '/embedded/processes',
    {
      onRequest,
      config: {
        example: {
          answer: {
            embedded: true,
            items: [{ name: 'worker', pid: 4711, address: null, health: 'up', restarts: 0 }],
            temporalUi: 'http://127.0.0.1:7700/temporal',
          },
        },
      },
      schema: {
        tags: ['embedded'],
        operationId: 'listProcesses',
        summary: 'The processes of this installation',
        description: 'What the supervisor started, each with its process id, its address and its health.',
        response: { 200: ProcessListView, ...problems },
      },
    },
    async () => embedded.processes(),
  );

  api.post(
    '/embedded/processes/:name/kill',
    {
      onRequest,
      config: { example: { body: {} } },
      schema: {
        tags: ['embedded'],
        operationId: 'killProcess',
        summary: 'kill -9 one of them; the supervisor starts it again',
        description: 'For trying out that nothing is lost by it.',
        params: z.object({ name: z.enum(processNames) }),
        body: NoBody,
        response: { 204: z.undefined(), ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, killProcess, { name: request.params.name, kill: embedded.kill }),
  );

  api.post(
    '/embedded/demo',
    {
      onRequest,
      config: { example: { body: {}, answer: { runId, conversationId, project: '/home/me/.perdure/demo' } } },
      schema: {
        tags: ['embedded'],
        operationId: 'startDemo',
        summary: 'Start the demo: a scripted agent repairs a small repository',
        description: 'The repository is a new copy in the data folder.',
        body: NoBody,
        response: { 202: DemoView, ...problems },
      },
    },
    (request, reply) => parts.mutate(request, reply, startDemo, embedded),
  );
}

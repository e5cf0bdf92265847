// A known path with another method: 405 with what it takes, instead of the 404 of an unknown path.
import type { FastifyInstance, HTTPMethods } from 'fastify';
import { Failure } from '../../workflows/contracts/failures.ts';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** Call before any route is added; the answer adds the refusals and is called after the last one. */
export function refuseOtherMethods(app: FastifyInstance): () => void {
  const taken = new Map<string, Set<string>>();
  app.addHook('onRoute', (route) => {
    if (route.config?.refusal === true) return;
    const known = taken.get(route.url) ?? new Set();
    for (const method of [route.method].flat()) known.add(method);
    taken.set(route.url, known);
  });
  return () => {
    for (const [url, known] of taken) {
      const allow = methods.filter((method) => known.has(method)).join(', ');
      const refuse = async (): Promise<never> => {
        throw new Failure('MethodNotAllowed', `This path takes ${allow}.`);
      };
      app.route({
        method: methods.filter((method) => !known.has(method)) as HTTPMethods[],
        url,
        schema: { hide: true },
        config: { refusal: true },
        // Before the body is read: nobody needs it.
        onRequest: async (_request, reply) => {
          reply.header('allow', allow);
          await refuse();
        },
        handler: refuse,
      });
    }
  };
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A route that only refuses. */
    refusal?: boolean;
  }
}

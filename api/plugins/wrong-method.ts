// A known path with a method that it does not take: 405 with those it does, instead of the 404 of an unknown path.
import type { FastifyInstance } from 'fastify';
import { Failure } from '../../workflows/contracts/failures.ts';
import { pathOf } from './errors.ts';

/** The methods that a path takes, as `Allow` lists them; undefined where there is no such path. */
export type MethodsOf = (path: string) => string | undefined;

/** Call before any route is added: it is told of each. */
export function refuseOtherMethods(app: FastifyInstance): MethodsOf {
  const taken = new Map<string, { pattern: RegExp; methods: Set<string> }>();
  app.addHook('onRoute', ({ url, method }) => {
    // OPTIONS is answered everywhere, below.
    const known = taken.get(url) ?? { pattern: patternOf(url), methods: new Set(['OPTIONS']) };
    for (const each of [method].flat()) known.methods.add(each);
    taken.set(url, known);
  });
  const listed = (methods: Iterable<string>): string => [...new Set(methods)].toSorted().join(', ');
  const methodsOf: MethodsOf = (path) => {
    const own = taken.get(path);
    if (own) return listed(own.methods);
    const found = [...taken.values()].filter(({ pattern }) => pattern.test(path));
    return found.length === 0 ? undefined : listed(found.flatMap(({ methods }) => [...methods]));
  };
  // Before the body is read: it is not needed. A method that the path does not take reaches no route.
  app.addHook('onRequest', async (request, reply) => {
    const path = pathOf(request.url);
    const own = taken.get(path)?.methods;
    // A literal path, such as /policies/place, does not take the methods of /policies/:id.
    if (!request.is404 && (!own || own.has(request.method))) return;
    const allow = methodsOf(path);
    if (allow === undefined) return;
    reply.header('allow', allow);
    // Without the headers of CORS, so that no page of another origin may send more.
    if (request.method === 'OPTIONS') return reply.code(204).send();
    throw new Failure('MethodNotAllowed', `This path takes ${allow}.`);
  });
  return methodsOf;
}

/** What a route's URL stands for: `:name` is one part of the path, `*` all that follows. */
function patternOf(url: string): RegExp {
  const parts = url.split('/').map((part) => {
    if (part.startsWith(':')) return '[^/]+';
    return part === '*' ? '.*' : part.replaceAll('.', '\\.');
  });
  return new RegExp(`^${parts.join('/')}$`);
}

// The page at `/` and its two assets, by name: no path of a request ever becomes a path of a file.
import type { FastifyInstance } from 'fastify';

const assets = { '/': 'index.html', '/page.js': 'page.js', '/page.css': 'page.css' };

/** Needs @fastify/static registered without routes of its own. */
export function pageRoutes(app: FastifyInstance): void {
  for (const [url, file] of Object.entries(assets)) {
    app.get(url, { schema: { hide: true } }, async (_request, reply) => {
      // A newer server must not meet the page of an older one.
      reply.header('cache-control', 'no-cache');
      return reply.sendFile(file, { cacheControl: false });
    });
  }
}

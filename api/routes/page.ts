// The page at `/` and its assets, by name: no path of a request ever becomes a path of a file.
import type { FastifyInstance } from 'fastify';
import { hiddenCharacters } from '../../workflows/contracts/hidden-characters.ts';

const assets = {
  '/': 'index.html',
  '/page.js': 'page.js',
  '/elements.js': 'elements.js',
  '/page.css': 'page.css',
  '/temporal-login': 'temporal-login.html',
  '/temporal-login.js': 'temporal-login.js',
};

/** Needs @fastify/static registered without routes of its own. */
export function pageRoutes(app: FastifyInstance): void {
  const schema = { hide: true };
  for (const [url, file] of Object.entries(assets)) {
    app.get(url, { schema }, async (_request, reply) => {
      // A newer server must not meet the page of an older one.
      reply.header('cache-control', 'no-cache');
      return reply.sendFile(file, { cacheControl: false });
    });
  }
  // A browser can import no TypeScript.
  app.get('/hidden-characters.js', { schema }, async (_request, reply) =>
    reply
      .header('cache-control', 'no-cache')
      .type('text/javascript; charset=utf-8')
      .send(`globalThis.hiddenCharacters = ${hiddenCharacters};\n`),
  );
}

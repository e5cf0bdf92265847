// Request bodies: JSON in UTF-8 and nothing else, within the limit, free of what Postgres cannot store. A key given
// twice counts the last time, as everywhere in JavaScript.
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Failure } from '../../workflows/contracts/failures.ts';
import { isStorable } from '../../workflows/contracts/storable.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** SHA-256 of the body as it came. */
    bodyHash: string;
  }
}

const hashOf = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');
const hashOfNothing = hashOf('');
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function parseJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.decorateRequest('bodyHash', hashOfNothing);
  app.addHook('onRequest', async (request) => {
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      throw new Failure('UnsupportedMediaType', 'Send the body as it is, without a content encoding.');
    }
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    request.bodyHash = hashOf(body);
    // A client may name the type of a body it then leaves out.
    if (body.length === 0) return done(null, undefined);
    const text = decoded(body);
    if (text === undefined) return done(new Failure('MalformedBody', 'The body is not valid UTF-8.'));
    void parse(request as FastifyRequest, text, (error, value) => {
      if (error) {
        return done(
          new Failure('MalformedBody', 'The body is not valid JSON, or it has a key such as __proto__.'),
        );
      }
      if (!isShallow(value)) {
        const rule = `The body is nested more than ${mostLevels} levels deep; send it flatter.`;
        return done(new Failure('InvalidInput', rule));
      }
      // Only an escape can smuggle them in: valid UTF-8 has no lone surrogates, valid JSON no raw NUL.
      if (text.includes('\\u') && !isStorable(value)) {
        return done(
          new Failure('InvalidInput', 'Text must be well-formed Unicode without NUL; a string here is not.'),
        );
      }
      done(null, value);
    });
  });
}

function decoded(body: Buffer): string | undefined {
  try {
    return decoder.decode(body);
  } catch {
    return undefined;
  }
}

// What looks at a body later calls itself at each level. Schemas of tools, the deepest there is, have a few tens.
const mostLevels = 100;

function isShallow(value: unknown): boolean {
  let level = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth === mostLevels) return false;
    level = level.flatMap((each): unknown[] =>
      typeof each === 'object' && each !== null
        ? Object.values(each).filter((child) => typeof child === 'object' && child !== null)
        : [],
    );
  }
  return true;
}

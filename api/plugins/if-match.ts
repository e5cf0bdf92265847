// `If-Match: "3"` in place of `version` in the body of a change: what HTTP clients send after they have read an `ETag`.
import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { Failure } from '../../workflows/contracts/failures.ts';

/** For `preValidation` of a route whose body has a `version`. */
export async function takeIfMatch(request: FastifyRequest): Promise<void> {
  const given = request.headers['if-match'];
  const { body } = request;
  if (given === undefined || typeof body !== 'object' || body === null || Array.isArray(body)) return;
  const [, version] = /^"(\d{1,9})"$/.exec(given) ?? [];
  if (version === undefined) throw refused('must be one version in quotes, such as "3"');
  const said = (body as { version?: unknown }).version;
  if (said !== undefined && said !== Number(version))
    throw refused('must be the same as version in the body');
  request.body = { ...body, version: Number(version) };
  // Under one Idempotency-Key another version is another request.
  request.bodyHash = createHash('sha256').update(`${request.bodyHash} ${version}`).digest('hex');
}

function refused(problem: string): Failure {
  return new Failure('InvalidInput', `If-Match ${problem}.`, { fields: [{ path: 'If-Match', problem }] });
}

// A browser's way to Temporal's Web UI: a signed cookie that an API token is exchanged for, since a browser sends no
// header when it opens a page. It names the token and ends with it.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { parseCookie, stringifySetCookie } from 'cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { KnownTokens } from '../known-tokens.ts';

export const temporalPath = '/temporal';

// A working day; what opens the page again is one click.
const loginSeconds = 8 * 3_600;

export interface TemporalLogins {
  /** Logs the browser in that asked with this token. */
  begin(request: FastifyRequest, reply: FastifyReply): void;
  /** The id of the token that the request's cookie stands for; undefined when it stands for none that is valid. */
  tokenOf(request: FastifyRequest): Promise<string | undefined>;
}

export interface TemporalLoginParts {
  tokens: Pick<KnownTokens, 'counts'>;
  /** Secret, and the same in every process of the API and after each restart. */
  loginKey: string;
}

export function createTemporalLogins({ tokens, loginKey }: TemporalLoginParts): TemporalLogins {
  // Cookies know no ports: another installation on this machine must not take ours away.
  const name = `perdure-temporal-${createHash('sha256').update(loginKey).digest('hex').slice(0, 8)}`;

  const signatureOf = (value: string): Buffer => createHmac('sha256', loginKey).update(value).digest();

  return {
    begin(request, reply) {
      const value = `${request.tokenId}.${Date.now() + loginSeconds * 1_000}`;
      const cookie = stringifySetCookie({
        name,
        value: `${value}.${signatureOf(value).toString('base64url')}`,
        path: temporalPath,
        httpOnly: true,
        sameSite: 'strict',
        maxAge: loginSeconds,
        // Behind a proxy with TLS the browser says so itself.
        secure: request.headers.origin?.startsWith('https:') ?? false,
      });
      reply.header('set-cookie', cookie);
    },
    async tokenOf(request) {
      const given = parseCookie(request.headers.cookie ?? '')[name] ?? '';
      const [tokenId = '', endsAt = '', signature = ''] = given.split('.');
      const expected = signatureOf(`${tokenId}.${endsAt}`);
      const actual = Buffer.from(signature, 'base64url');
      if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) return undefined;
      return Number(endsAt) > Date.now() && (await tokens.counts(tokenId)) ? tokenId : undefined;
    },
  };
}

/** Whether `Origin` names the host that is asked; false for `null` and what is no origin. TLS may end before us. */
function isOf(origin: string, host: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, host: named } = new URL(origin);
  const asked = `${protocol}//${host}`;
  return URL.canParse(asked) && named !== '' && new URL(asked).host === named;
}

/**
 * Refuses what a page of another origin asks for, also one on another port of this machine, whose requests carry our
 * cookie. A browser says by `Origin` or `Sec-Fetch-Site` who asks; what writes has to say it.
 */
export function refuseOtherOrigins({ method, headers }: FastifyRequest): void {
  const { origin, host = '' } = headers;
  const site = headers['sec-fetch-site'];
  const reads = method === 'GET' || method === 'HEAD';
  // Opening a page by a link elsewhere is no harm: the linking page cannot see it.
  const opens = reads && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  const isOurs = site === undefined ? reads || origin !== undefined : site === 'same-origin';
  const byHand = site === 'none' && reads;
  const otherOrigin = origin !== undefined && !isOf(origin, host);
  if (!otherOrigin && (isOurs || byHand || opens)) return;
  throw new Failure(
    'Forbidden',
    "Temporal's Web UI takes requests of its own pages only: open it at /temporal.",
  );
}

// Turns what a server complains of, or a provider's package throws, into one LlmError. The only place that looks at a
// provider's status codes, error codes and sentences.
import {
  InvalidResponseDataError,
  JSONParseError,
  TypeValidationError,
  UnsupportedFunctionalityError,
} from '@ai-sdk/provider';
import { exhaustedWords, type Phrasing, tooLongWords } from './error-words.ts';
import { LlmError, type LlmErrorKind, ServerUnreached } from './llm.ts';
import { type Complaint, complaintIn } from './wire/complaint.ts';

// Logs and events cut at 500 once secrets are out: a cut here that they could show might leave half of one.
const longestMessage = 2_000;

const stalls = ['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'];
// No connection came about: the codes of Node and undici, in words.
const unreached: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  ENOTFOUND: 'no host has that name',
  EAI_AGAIN: 'its name cannot be looked up now',
  UND_ERR_CONNECT_TIMEOUT: 'it took too long',
  ETIMEDOUT: 'it took too long',
};

/** Not a read that timed out, which has the same code. An aggregate has one error for each address that was tried. */
function isOfConnecting(error: Error): boolean {
  if (codeOf(error) === 'ETIMEDOUT' && !(error instanceof AggregateError))
    return (error as NodeJS.ErrnoException).syscall === 'connect';
  return Object.hasOwn(unreached, codeOf(error));
}

export function toLlmError(error: unknown, provider: string): LlmError {
  const known = causes(error).find((cause) => cause instanceof LlmError);
  if (known !== undefined) return known;
  // The wire reports errors itself as LlmError; what is no Error here is one a package has read out of an answer.
  const complaint = error instanceof Error ? undefined : complaintIn(error, true);
  return complaint === undefined || error === null || typeof error !== 'object'
    ? toTransportError(error, provider)
    : complainedOf(complaint, provider);
}

/** Why a request did not reach its server; undefined: a connection came about. */
export function unreachedBy(error: unknown, provider: string, url: string): ServerUnreached | undefined {
  const chain = causes(error);
  const code = chain.filter(isOfConnecting).map(codeOf)[0];
  if (code === undefined) return undefined;
  const detail = reasonOf(chain.at(-1) as Error).slice(0, longestMessage);
  // The origin alone: what else is in an address may be a secret.
  return new ServerUnreached(
    `${provider}: no connection to ${new URL(url).origin}: ${unreached[code]} (${detail})`,
  );
}

/** What a server complains of. */
export function complainedOf(complaint: Complaint, provider: string, retryAfterMs?: number): LlmError {
  const { status, code, message } = complaint;
  const said = message.slice(0, longestMessage);
  if (status === 402 || says(exhaustedWords, complaint)) {
    return new LlmError('auth', `${provider}: the account has nothing left; it is not tried again: ${said}`);
  }
  const kind = kindOf(complaint);
  const broken =
    (status ?? 0) >= 500 || status === 429 || (status === undefined && codesOfOutages.test(code));
  const passes = ['rate_limited', 'overloaded', 'timeout'].includes(kind);
  return new LlmError(kind, `${provider}: ${said}`, retryAfterMs, broken && passes);
}

// What stands for 5xx and 429 where no number is said: OpenAI's server_error, Anthropic's api_error and overloaded_error,
// Gemini's UNAVAILABLE and RESOURCE_EXHAUSTED.
const codesOfOutages = /overloaded|rate_limit|resource_exhausted|server_error|api_error|unavailable/;

function says(table: readonly Phrasing[], { code, message }: Complaint): boolean {
  return table.some(({ pattern }) => pattern.test(code) || pattern.test(message));
}

const refusedContent =
  /content[_ -]?(filter|policy)|content management policy|prohibited_content|safety system|moderation/i;
const badKey =
  /api[_ ]key[_ ](not[_ ]valid|invalid|expired)|invalid[_ ](x-)?api[_ -]key|authentication|permission/i;

function kindOf(complaint: Complaint): LlmErrorKind {
  const { status, code, message } = complaint;
  if (status === 401 || status === 403) return 'auth';
  if (status === 413 || says(tooLongWords, complaint)) return 'context_too_long';
  if (status === 429 || code.includes('rate_limit') || code.includes('resource_exhausted'))
    return 'rate_limited';
  if (status === 408 || status === 504 || code.includes('timeout')) return 'timeout';
  if (refusedContent.test(code) || refusedContent.test(message)) return 'content_refused';
  if (badKey.test(code) || badKey.test(message)) return 'auth';
  if (status !== undefined && status >= 400 && status < 500) return 'bad_request';
  if (status === undefined && code.includes('invalid')) return 'bad_request';
  return 'overloaded';
}

function toTransportError(error: unknown, provider: string): LlmError {
  const chain = causes(error);
  if (chain.some((cause) => stalls.includes(codeOf(cause)))) {
    return new LlmError('timeout', `${provider}: no answer came in time`);
  }
  const unsupported = chain.find((cause) => UnsupportedFunctionalityError.isInstance(cause));
  if (unsupported !== undefined)
    return new LlmError(
      'bad_request',
      `${provider} does not take this: ${unsupported.message.slice(0, longestMessage)}`,
    );
  const excerpt = chain.map(unreadableOf).find((text) => text !== undefined);
  if (excerpt !== undefined) {
    const sentence = `${provider}: the answer was cut or is not what its format promises`;
    return new LlmError('unreadable', `${sentence}: ${excerpt.slice(0, longestMessage)}`);
  }
  const deepest = chain.at(-1);
  const detail = deepest === undefined ? String(error) : reasonOf(deepest);
  const sentence = `${provider}: the connection failed: ${detail.slice(0, longestMessage)}`;
  return new LlmError('network', sentence, undefined, false, chain.some(isOfConnection));
}

// Node's codes of certificates that do not fit, of another protocol than TLS or HTTP, and of an address that is none: they
// are wrong the next time too.
const neverConnects =
  /^(CERT_|ERR_TLS_CERT|ERR_SSL_|EPROTO|HPE_|ERR_INVALID_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(GET|VERIFY))/;

/** What keeps connections from being made, or breaks them, and passes. */
function isOfConnection(error: Error): boolean {
  const code = codeOf(error);
  return code !== '' && !neverConnects.test(code);
}

function codeOf(error: Error): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

// A package's own words for a stream that ended in the middle, which is no matter of format.
const endedEarly = /ended without a finish reason/;

/** What could not be read; undefined: that is not what happened. */
function unreadableOf(error: Error): string | undefined {
  if (JSONParseError.isInstance(error)) return error.text;
  if (TypeValidationError.isInstance(error)) return JSON.stringify(error.value) ?? '';
  const misfits = InvalidResponseDataError.isInstance(error) && !endedEarly.test(error.message);
  return misfits ? error.message : undefined;
}

function reasonOf(error: Error): string {
  if (error.message !== '') return error.message;
  return codeOf(error) || error.name;
}

function causes(error: unknown): Error[] {
  const chain: Error[] = [];
  let current = error;
  while (current instanceof Error && !chain.includes(current)) {
    chain.push(current);
    current = current.cause;
  }
  return chain;
}

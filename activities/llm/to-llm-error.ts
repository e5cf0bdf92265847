// Turns whatever a provider's package throws or streams as an error into one LlmError. The only place that
// looks at a provider's status codes, error codes and sentences.
import {
  APICallError,
  InvalidResponseDataError,
  JSONParseError,
  TypeValidationError,
} from '@ai-sdk/provider';
import { LlmError, type LlmErrorKind } from './llm.ts';
import { retryAfterOf } from './retry-after.ts';

// A provider's page of HTML or an echoed request must not travel into events and histories.
const longestMessage = 500;

const stalls = ['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'];

/** What a provider says about an error, wherever it says it. */
interface Complaint {
  status: number | undefined;
  /** Its code, type and status words in lower case. */
  code: string;
  message: string;
  retryAfterMs: number | undefined;
}

export function toLlmError(error: unknown, provider: string): LlmError {
  const known = causes(error).find((cause) => cause instanceof LlmError);
  if (known !== undefined) return known;
  const complaint = toComplaint(error);
  if (complaint === undefined) return toTransportError(error, provider);
  const sentence = `${provider}: ${complaint.message.slice(0, longestMessage)}`;
  const kind = kindOf(complaint);
  const down = (complaint.status ?? 0) >= 500 || brokenDown.test(complaint.code);
  const outage = kind === 'rate_limited' || (kind === 'overloaded' && down);
  return new LlmError(kind, sentence, complaint.retryAfterMs, outage);
}

// Said inside a stream, where there is no status.
const brokenDown = /overloaded|unavailable|server_error|internal|api_error|\b5\d\d\b/;

function toComplaint(error: unknown): Complaint | undefined {
  // A success status means the body broke off or could not be read: that is transport.
  if (APICallError.isInstance(error)) {
    if (error.statusCode === undefined || error.statusCode < 400) return undefined;
    return {
      status: error.statusCode,
      code: codesIn(error.data ?? error.responseBody),
      message: `${error.message} (status ${error.statusCode})`,
      retryAfterMs: retryAfterOf(error.responseHeaders ?? {}, error.responseBody),
    };
  }
  if (error instanceof Error || error === null || typeof error !== 'object') return undefined;
  // An error the provider sent inside a stream that had begun well.
  const { statusCode, message } = error as { statusCode?: unknown; message?: unknown };
  return {
    status: typeof statusCode === 'number' ? statusCode : undefined,
    code: codesIn(error),
    message:
      typeof message === 'string' && message !== '' ? message : 'reported an error without saying which',
    retryAfterMs: undefined,
  };
}

/** The words of `code`, `type`, `status` and `reason`, at any depth a provider uses. */
function codesIn(value: unknown, depth = 0): string {
  // Google nests its reason four levels deep; deeper is not an error document.
  if (depth > 5 || value === null || typeof value !== 'object') return '';
  return Object.entries(value)
    .map(([key, inner]) =>
      ['code', 'type', 'status', 'reason'].includes(key) && typeof inner !== 'object'
        ? String(inner).toLowerCase()
        : codesIn(inner, depth + 1),
    )
    .filter((word) => word !== '')
    .join(' ');
}

const tooLong =
  /context[ _-]?(length|window)|maximum context|prompt is too long|input is too long|too many (input )?tokens|input token count|request_too_large/i;
const refusedContent =
  /content[_ -]?(filter|policy)|content management policy|prohibited_content|safety system|moderation/i;
const badKey =
  /api[_ ]key[_ ](not[_ ]valid|invalid|expired)|invalid[_ ](x-)?api[_ -]key|authentication|permission/i;

function kindOf({ status, code, message }: Complaint): LlmErrorKind {
  // A used-up account answers 429 for ever; waiting does not fill it.
  if (code.includes('insufficient_quota') || code.includes('billing')) return 'auth';
  if (status === 401 || status === 403) return 'auth';
  if (status === 429 || code.includes('rate_limit') || code.includes('resource_exhausted'))
    return 'rate_limited';
  if (status === 408 || status === 504 || code.includes('timeout')) return 'timeout';
  if (status === 413 || tooLong.test(code) || tooLong.test(message)) return 'context_too_long';
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
  const excerpt = chain.map(unreadableOf).find((text) => text !== undefined);
  if (excerpt !== undefined) {
    const sentence = `${provider}: the answer was cut or is not what its format promises`;
    return new LlmError('unreadable', `${sentence}: ${excerpt.slice(0, longestMessage)}`);
  }
  const deepest = chain.at(-1);
  const detail = deepest === undefined ? String(error) : reasonOf(deepest);
  const sentence = `${provider}: the connection failed: ${detail.slice(0, longestMessage)}`;
  return new LlmError('network', sentence, undefined, chain.some(isOfConnection));
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

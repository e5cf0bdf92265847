// Errors of providers: what kind each is, how long to wait, and that none says too much.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { exhaustedWords, tooLongWords } from '../../../activities/llm/error-words.ts';
import type { LlmError } from '../../../activities/llm/llm.ts';
import { retryAfterOf } from '../../../activities/llm/retry-after.ts';
import { complainedOf, toLlmError, unreachedBy } from '../../../activities/llm/to-llm-error.ts';
import { complaintIn, complaintOf } from '../../../activities/llm/wire/complaint.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 1) });
});
afterEach(() => {
  vi.useRealTimers();
});

/** What a refusal with this document is. */
function refusal(status: number, error: unknown, headers: Record<string, string> = {}): LlmError {
  const body = JSON.stringify({ error });
  return complainedOf(complaintOf(status, 'no', body), 'p', retryAfterOf(headers, body));
}

describe('the kind of a refusal', () => {
  test.each([
    ['rate_limited', refusal(429, { message: 'Slow down' })],
    ['auth', refusal(429, { message: 'You exceeded your current quota', code: 'insufficient_quota' })],
    ['auth', refusal(403, { message: 'Forbidden' })],
    ['overloaded', refusal(500, { message: 'Oops' })],
    ['overloaded', refusal(502, {})],
    ['overloaded', refusal(529, { type: 'overloaded_error', message: 'Overloaded' })],
    ['timeout', refusal(504, { message: 'Gateway timeout' })],
    [
      'context_too_long',
      refusal(413, { type: 'request_too_large', message: 'Request exceeds the maximum size' }),
    ],
    ['context_too_long', refusal(400, { message: "This model's maximum context length is 8192 tokens." })],
    ['content_refused', refusal(400, { message: 'The response was filtered', code: 'content_filter' })],
    ['bad_request', refusal(404, { message: 'The model does not exist', code: 'model_not_found' })],
    ['bad_request', refusal(422, { message: 'max_tokens must be positive' })],
    // Errors inside a stream that began with 200.
    ['overloaded', { type: 'overloaded_error', message: 'Overloaded' }],
    ['rate_limited', { type: 'rate_limit_error', message: 'Slow down' }],
    ['bad_request', { type: 'invalid_request_error', message: 'No' }],
    ['overloaded', { message: 'The server had an error' }],
    // No answer at all.
    [
      'network',
      new TypeError('terminated', {
        cause: Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' }),
      }),
    ],
    [
      'timeout',
      new TypeError('fetch failed', {
        cause: Object.assign(new Error('Headers Timeout'), { code: 'UND_ERR_HEADERS_TIMEOUT' }),
      }),
    ],
    ['network', 'something else'],
  ])('%s', (kind, error) => {
    expect(toLlmError(error, 'p').kind).toBe(kind);
  });
});

describe('how long to wait', () => {
  const waitOf = (headers: Record<string, string>, error: object = {}): number | undefined =>
    refusal(429, error, headers).retryAfterMs;

  test.each([
    [{ 'retry-after': '12' }, 12_000],
    [{ 'retry-after': '0.25' }, 250],
    [{ 'retry-after-ms': '340', 'retry-after': '9' }, 340],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Wed, 31 Dec 2025 00:00:00 GMT' }, 0],
    // Capped at an hour; nonsense is no wish.
    [{ 'retry-after': '999999' }, 3_600_000],
    [{ 'retry-after': '-5' }, undefined],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '' }, undefined],
    [{}, undefined],
  ])('%j', (headers, wait) => {
    expect(waitOf(headers as Record<string, string>)).toBe(wait);
  });

  test('Gemini says it in the body', () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.5s' }];
    expect(waitOf({}, { message: 'Quota', details })).toBe(34_500);
  });
});

test('a page of HTML instead of an error document is its words, cut short', () => {
  const page = `<html><style>p {}</style><h1>Bad gateway</h1>${'<p>sorry</p>'.repeat(10_000)}</html>`;
  const { message } = complainedOf(complaintOf(502, 'no', page), 'p');
  expect(message.slice(0, 28)).toBe('p: Bad gateway sorry sorry s');
  expect(message.length).toBeLessThan(2_100);
});

describe('a conversation that is too long is known by any of the words for it', () => {
  test.each(tooLongWords)('$example', ({ example, pattern }) => {
    expect(example).toMatch(pattern);
    for (const status of [400, 413, 429, 500])
      expect([status, refusal(status, { message: example }).kind]).toEqual([status, 'context_too_long']);
  });

  test('a rate that passes is none', () => {
    for (const message of [
      'Too many tokens, please wait before trying again.',
      'Rate limit: 90000 tokens per min',
    ])
      expect(refusal(429, { message }).kind).toBe('rate_limited');
  });
});

describe('an account with nothing left is not tried again, and the sentence says so', () => {
  test.each(exhaustedWords)('$example', ({ example, pattern }) => {
    expect(example).toMatch(pattern);
    for (const status of [400, 402, 429]) {
      const error = refusal(status, { message: example });
      expect([error.kind, error.retryable, error.message]).toEqual([
        'auth',
        false,
        `p: the account has nothing left; it is not tried again: ${example} (status ${status})`,
      ]);
    }
  });

  test("Gemini's sentence for a limit of a minute is none", () => {
    const message = 'You exceeded your current quota, please check your plan and billing details.';
    expect(refusal(429, { message, status: 'RESOURCE_EXHAUSTED' }).kind).toBe('rate_limited');
  });
});

describe('an error is found in every envelope, and a numeric code is the status', () => {
  test.each<[string, unknown, ReturnType<typeof complaintIn>]>([
    [
      'OpenAI',
      { error: { message: 'No', type: 'server_error', code: 503 } },
      { status: 503, code: 'server_error 503', message: 'No' },
    ],
    [
      'a code as text',
      { error: { message: 'No', code: '429' } },
      { status: 429, code: '429', message: 'No' },
    ],
    ['Ollama', { error: 'No' }, { status: undefined, code: '', message: 'No' }],
    ['a sentence and its code', { error: 'No', status: 500 }, { status: 500, code: '500', message: 'No' }],
    [
      'Anthropic',
      { type: 'error', error: { type: 'overloaded_error', message: 'No' } },
      { status: undefined, code: 'error overloaded_error', message: 'No' },
    ],
    ['vLLM', { object: 'error', message: 'No', code: 400 }, { status: 400, code: '400', message: 'No' }],
    ['FastAPI', { detail: 'No' }, { status: undefined, code: '', message: 'No' }],
    [
      'FastAPI, of a field',
      JSON.parse('{"detail":[{"loc":["body"],"msg":"No","type":"missing"}]}'),
      { status: undefined, code: 'missing', message: 'No' },
    ],
    [
      'Gemini',
      [{ error: { code: 429, message: 'No', status: 'RESOURCE_EXHAUSTED' } }],
      { status: 429, code: '429 resource_exhausted', message: 'No' },
    ],
    [
      'OpenRouter',
      { choices: [{ error: { code: 502, message: 'No', metadata: { raw: 'upstream' } } }] },
      { status: 502, code: '502', message: 'No: upstream' },
    ],
    [
      'responses',
      { type: 'response.failed', response: { error: { code: 'server_error', message: 'No' } } },
      { status: undefined, code: 'response.failed server_error', message: 'No' },
    ],
    [
      'MiniMax',
      { base_resp: { status_code: 1008, status_msg: 'insufficient balance' } },
      { status: undefined, code: '1008', message: 'insufficient balance' },
    ],
    [
      'nothing said',
      { error: {} },
      { status: undefined, code: '', message: 'reported an error without saying which' },
    ],
    ['an answer', { choices: [{ delta: {} }], error: null, base_resp: { status_code: 0 } }, undefined],
    ['a word in an answer', 'No', undefined],
  ])('%s', (_, value, complaint) => {
    expect(complaintIn(value)).toEqual(complaint);
  });
});

const coded = (code: string, more = {}) => Object.assign(new Error('no'), { code, ...more });

test('a server that cannot be reached is named by its origin, and a connection that broke is not taken for that', () => {
  const said = (cause: Error) =>
    unreachedBy(new TypeError('fetch failed', { cause }), 'p', 'http://user:key@localhost:11434/v1?key=key')
      ?.message;
  const refused = coded('ECONNREFUSED');
  const every = Object.assign(new AggregateError([refused, refused]), { code: 'ECONNREFUSED' });
  const place = 'p: no connection to http://localhost:11434:';
  expect([refused, every, coded('ENOTFOUND'), coded('ETIMEDOUT', { syscall: 'connect' })].map(said)).toEqual([
    `${place} nothing listens there (no)`,
    `${place} nothing listens there (ECONNREFUSED)`,
    `${place} no host has that name (no)`,
    `${place} it took too long (no)`,
  ]);
  expect([coded('ETIMEDOUT', { syscall: 'read' }), coded('ECONNRESET'), new Error('no')].map(said)).toEqual(
    Array(3).fill(undefined),
  );
});

test('a connection that cannot be made, 5xx and 429 are outages; what we gave up or could not read is none', () => {
  const closed = Object.assign(new Error('no'), { code: 'UND_ERR_SOCKET' });
  const outages = [
    ...[500, 503, 504, 529, 429].map((status) => refusal(status, { message: 'No' })),
    ...['server_error', 'api_error', 'unavailable'].map((code) =>
      complainedOf({ status: undefined, code, message: 'No' }, 'p'),
    ),
    unreachedBy(new TypeError('fetch failed', { cause: coded('ECONNREFUSED') }), 'p', 'http://h'),
  ];
  const others = [
    ...[400, 401, 408, 422].map((status) => refusal(status, { message: 'No' })),
    toLlmError(new TypeError('terminated', { cause: closed }), 'p'),
    toLlmError(new Error('No'), 'p'),
  ];
  expect(outages.map((error) => error?.outage)).toEqual(Array(9).fill(true));
  expect(others.map(({ outage }) => outage)).toEqual(Array(6).fill(false));
});

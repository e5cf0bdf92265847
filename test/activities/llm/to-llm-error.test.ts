// Errors of providers: what kind each is, how long to wait, and that none says too much.
import { APICallError } from '@ai-sdk/provider';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { toLlmError } from '../../../activities/llm/to-llm-error.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 1) });
});
afterEach(() => {
  vi.useRealTimers();
});

function refusal(
  statusCode: number,
  error: object,
  responseHeaders: Record<string, string> = {},
): APICallError {
  const data = { error };
  return new APICallError({
    message: String((error as { message?: string }).message ?? 'no'),
    ...{
      url: 'http://x',
      requestBodyValues: {},
      statusCode,
      data,
      responseBody: JSON.stringify(data),
      responseHeaders,
    },
  });
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
    toLlmError(refusal(429, error, headers), 'p').retryAfterMs;

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

test('a page of HTML instead of an error document is cut short', () => {
  expect(toLlmError(refusal(502, { message: '<html>'.repeat(10_000) }), 'p').message.length).toBeLessThan(
    600,
  );
});

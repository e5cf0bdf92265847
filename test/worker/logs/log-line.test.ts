import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isError, toLogLine } from '../../../worker/logs/log-line.ts';

describe('a log line', () => {
  test('of our own keeps its time, level, text, request and everything else', () => {
    const line =
      '{"level":"warn","time":"2026-11-21T05:00:00.000Z","service":"api","requestId":"r1","runId":"x","msg":"late"}';
    expect(toLogLine('api', line, undefined)).toEqual({
      time: '2026-11-21T05:00:00.000Z',
      level: 'warn',
      process: 'api',
      text: 'late {"requestId":"r1","runId":"x"}',
      requestId: 'r1',
    });
  });

  test("of Temporal's or Postgres's is read in its own form", () => {
    const temporal =
      '{"time":"2026-11-21T05:26:10.606540337Z","level":"ERROR","msg":"dial","service":"client"}';
    expect(toLogLine('temporal', temporal, undefined)).toEqual({
      time: '2026-11-21T05:26:10.606540337Z',
      level: 'error',
      process: 'temporal',
      text: 'dial',
    });
    const failed = toLogLine(
      'postgres',
      '2026-11-21 05:16:35.507 UTC [15351] ERROR:  no such table',
      undefined,
    );
    expect(failed).toEqual({
      time: '2026-11-21T05:16:35.507Z',
      level: 'error',
      process: 'postgres',
      text: 'no such table',
    });
    const statement = toLogLine(
      'postgres',
      '2026-11-21 05:16:35.507 UTC [15351] STATEMENT:  select 1',
      failed,
    );
    expect(isError(statement)).toBe(true);
    expect(toLogLine('postgres', '2026-11-21 05:16:35.507 UTC [15351] LOG:  ready', failed).level).toBe(
      'info',
    );
  });

  test('in no known form belongs to the line before it', () => {
    const before = { time: '2026-11-21T05:16:35.507Z', level: 'fatal', process: 'api', text: 'crashed' };
    expect(toLogLine('api', '    at main.ts:1:1', before)).toEqual({ ...before, text: '    at main.ts:1:1' });
    expect(toLogLine('api', '{"half', undefined)).toEqual({
      time: '',
      level: 'info',
      process: 'api',
      text: '{"half',
    });
  });

  test('never makes the reader throw', () => {
    const line = fc.oneof(fc.string(), fc.json(), fc.string({ unit: fc.constantFrom(...'{}":, [LOG]0') }));
    fc.assert(fc.property(line, (text) => toLogLine('worker', text, undefined).process === 'worker'));
  });
});

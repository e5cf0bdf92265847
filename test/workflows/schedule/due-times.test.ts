import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cronsOf, dueTimes, type Timing, timingProblem } from '../../../workflows/schedule/due-times.ts';
import { inWords, localTime } from '../../../workflows/schedule/in-words.ts';

const daily = (cron: string, timeZone = 'Europe/Berlin'): Timing => ({ cron, everySeconds: null, timeZone });
const every = (everySeconds: number): Timing => ({ cron: null, everySeconds, timeZone: 'UTC' });

function due(timing: Timing, after: string, until: string): string[] {
  return dueTimes(timing, new Date(after), new Date(until), 100).map((at) => at.toISOString().slice(0, 16));
}

test.each([
  {
    what: 'a time that the clocks leave out is due at the end of the gap, once',
    timing: daily('30 2 * * *'),
    from: ['2026-03-28T00:00:00Z', '2026-03-30T23:00:00Z'],
    times: ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30'],
  },
  {
    what: 'a time that the clocks bring twice is due once, at the first',
    timing: daily('30 2 * * *'),
    from: ['2026-10-24T12:00:00Z', '2026-10-26T12:00:00Z'],
    times: ['2026-10-25T00:30', '2026-10-26T01:30'],
  },
  {
    what: 'one of several that the clocks leave out is due at the end of the gap too',
    timing: daily('30 2,14 * * *'),
    from: ['2026-03-28T23:00:00Z', '2026-03-30T00:00:00Z'],
    times: ['2026-03-29T01:00', '2026-03-29T12:30'],
  },
  {
    what: 'one of several that the clocks bring twice is due once too',
    timing: daily('30 2,14 * * *'),
    from: ['2026-10-25T00:00:00Z', '2026-10-25T23:00:00Z'],
    times: ['2026-10-25T00:30', '2026-10-25T13:30'],
  },
  {
    what: 'several that are left out together are due once',
    timing: daily('*/20 1-3 * * *'),
    from: ['2026-03-29T00:30:00Z', '2026-03-29T22:00:00Z'],
    times: ['2026-03-29T00:40', '2026-03-29T01:00', '2026-03-29T01:20', '2026-03-29T01:40'],
  },
  {
    what: 'where the clocks are changed by half an hour it is the same',
    timing: daily('15 2 * * *', 'Australia/Lord_Howe'),
    from: ['2026-10-02T00:00:00Z', '2026-10-05T00:00:00Z'],
    times: ['2026-10-02T15:45', '2026-10-03T15:30', '2026-10-04T15:15'],
  },
  {
    what: 'what is due each half hour is so through both hours that are called two',
    timing: daily('*/30 * * * *'),
    from: ['2026-10-24T23:45:00Z', '2026-10-25T02:10:00Z'],
    times: [
      '2026-10-25T00:00',
      '2026-10-25T00:30',
      '2026-10-25T01:00',
      '2026-10-25T01:30',
      '2026-10-25T02:00',
    ],
  },
  {
    what: 'and misses no half hour where one hour is left out',
    timing: daily('*/30 * * * *'),
    from: ['2026-03-29T00:15:00Z', '2026-03-29T01:45:00Z'],
    times: ['2026-03-29T00:30', '2026-03-29T01:00', '2026-03-29T01:30'],
  },
  {
    what: 'a day of the month and a day of the week that are both named mean either',
    timing: daily('0 0 13 * 5', 'UTC'),
    from: ['2026-11-05T00:00:00Z', '2026-11-21T00:00:00Z'],
    times: ['2026-11-06T00:00', '2026-11-13T00:00', '2026-11-20T00:00'],
  },
  {
    what: 'but where one of them has a star, even with a step, both must fit',
    timing: daily('0 6 */2 * 1', 'UTC'),
    from: ['2026-03-01T00:00:00Z', '2026-03-31T00:00:00Z'],
    times: ['2026-03-09T06:00', '2026-03-23T06:00'],
  },
  {
    what: 'an interval is due at its whole multiples, whatever clocks are set to',
    timing: every(6 * 3600),
    from: ['2026-03-29T00:00:00Z', '2026-03-30T00:00:00Z'],
    times: ['2026-03-29T06:00', '2026-03-29T12:00', '2026-03-29T18:00', '2026-03-30T00:00'],
  },
])('$what', ({ timing, from: [after = '', until = ''], times }) => {
  expect(due(timing, after, until)).toEqual(times);
});

test('two looks find together what one finds, wherever the first one ends', () => {
  const start = Date.parse('2026-03-27T00:00:00Z');
  const timings = [daily('*/17 1-3 * * *'), daily('30 2,14 * * *'), daily('*/7 * * * *'), every(613)];
  fc.assert(
    fc.property(
      fc.constantFrom(...timings),
      fc.constantFrom(0, 210 * 86_400_000),
      fc.integer({ min: 0, max: 4 * 86_400_000 }),
      (timing, season, split) => {
        const from = new Date(start + season);
        const middle = new Date(from.getTime() + split);
        const until = new Date(from.getTime() + 4 * 86_400_000);
        const whole = dueTimes(timing, from, until, 10_000);
        expect([
          ...dueTimes(timing, from, middle, 10_000),
          ...dueTimes(timing, middle, until, 10_000),
        ]).toEqual(whole);
        expect(new Set(whole.map(Number)).size).toBe(whole.length);
      },
    ),
    { numRuns: 20 },
  );
});

test.each([
  [daily('0 3 * *'), 'cron', /^cron has five fields .*, not 4: /],
  [daily('0 0 3 * * *'), 'cron', /, not 6: /],
  [daily('0 3 L * *'), 'cron', /^cron has no "L": a field is \*, a number/],
  [daily('0 3 * * 5#2'), 'cron', /^cron has no "5#2"/],
  [daily('0 3 ? * *'), 'cron', /^cron has no "\?"/],
  [daily('@daily'), 'cron', /not 1: /],
  [daily('61 3 * * *'), 'cron', /^cron "61 3 \* \* \*" cannot be read: /],
  [daily('0 3 30 2 *'), 'cron', /is never due: there is no such day\.$/],
  [daily('0 3 * * *', 'Europe/Atlantis'), 'timeZone', /^There is no time zone Europe\/Atlantis; /],
  [daily('0 3 * * *', '+05:30'), 'timeZone', /^There is no time zone \+05:30; /],
  [{ cron: null, everySeconds: null, timeZone: 'UTC' }, 'cron', /^Say either cron or everySeconds/],
  [{ cron: '0 3 * * *', everySeconds: 60, timeZone: 'UTC' }, 'cron', /^Say either cron or everySeconds/],
])('%o has a problem in %s', (timing, path, says) => {
  expect(timingProblem(timing, new Date())).toEqual({ path, problem: expect.stringMatching(says) });
});

test('what has no problem is said in words, and its times as clocks there show them', () => {
  expect(timingProblem(daily('30 2 * * mon-fri'), new Date())).toBeUndefined();
  expect([daily('30 2 * * mon-fri'), every(86_400), every(5400), every(7)].map(inWords)).toEqual([
    'At 02:30, Monday through Friday (Europe/Berlin)',
    'Every day',
    'Every 90 minutes',
    'Every 7 seconds',
  ]);
  expect(localTime(new Date('2026-03-29T01:00:00Z'), 'Europe/Berlin')).toBe('Sun 2026-03-29 03:00');
  expect(localTime(new Date('2026-03-29T01:00:07Z'), 'UTC')).toBe('Sun 2026-03-29 01:00:07');
  expect(inWords(daily(' 0\t9  * * mon '))).toBe('At 09:00, only on Monday (Europe/Berlin)');
  expect(['0 0 13 * 5', '0\t0 * * 5', '0 9 * * sat-sun'].map(cronsOf)).toEqual([
    ['0 0 13 * *', '0 0 * * 5'],
    ['0 0 * * 5'],
    ['0 9 * * sat-7'],
  ]);
});

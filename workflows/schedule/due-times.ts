// When a schedule is due: the one place that says so. A clock that fires at another moment changes nothing: what was
// due since the last look is asked here.
import { Cron } from 'croner';
import type { ScheduleDefinition } from '../contracts/schedule.ts';
import { wallClock } from './wall-clock.ts';

export type Timing = Pick<ScheduleDefinition, 'cron' | 'everySeconds' | 'timeZone'>;

// What every cron reads alike: no L, W, # and ?, no macros, no seconds.
const field = /^(\*|[a-z]{3}|\d{1,2})(-([a-z]{3}|\d{1,2}))?(\/\d{1,2})?$/i;

export interface TimingProblem {
  path: 'cron' | 'everySeconds' | 'timeZone';
  /** One sentence. */
  problem: string;
}

/** Whatever white space is between them. */
export function fieldsOf(cron: string): string[] {
  return cron.trim().split(/\s+/);
}

/** Why there is no due time, or not one reading of it. */
export function timingProblem(timing: Timing, now: Date): TimingProblem | undefined {
  const { cron, everySeconds, timeZone } = timing;
  if (zoneName(timeZone) === undefined)
    return {
      path: 'timeZone',
      problem: `There is no time zone ${timeZone}; use a name such as Europe/Berlin.`,
    };
  if ((cron === null) === (everySeconds === null))
    return { path: 'cron', problem: 'Say either cron or everySeconds, and not both.' };
  if (cron === null) return undefined;
  const fields = fieldsOf(cron);
  if (fields.length !== 5) {
    const problem = `cron has five fields (minute, hour, day of month, month, day of week), not ${fields.length}: \`0 3 * * *\` is daily at 03:00.`;
    return { path: 'cron', problem };
  }
  const odd = fields.find((each) => each.split(',').some((part) => !field.test(part)));
  if (odd !== undefined) {
    const problem = `cron has no "${odd}": a field is *, a number, a name, a range (1-5), a step (*/15) or a list of these.`;
    return { path: 'cron', problem };
  }
  try {
    if (nextDue(timing, now) !== undefined) return undefined;
  } catch (error) {
    const said = error instanceof Error ? error.message.replace(/^\w+: /, '') : String(error);
    return { path: 'cron', problem: `cron "${cron}" cannot be read: ${said}.` };
  }
  return { path: 'cron', problem: `cron "${cron}" is never due: there is no such day.` };
}

/**
 * Its one spelling in the time zone database, which is what others than this process can look up: `europe/berlin` is read
 * here alone. Undefined: there is none, or it is an offset such as +05:30, which has no name there.
 */
export function zoneName(name: string): string | undefined {
  if (!/^[a-z]/i.test(name)) return undefined;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

/** The first due time after a moment; undefined when there is none. */
export function nextDue(timing: Timing, after: Date): Date | undefined {
  return follower(timing)(after);
}

/** Those after one moment up to another, in order, at most so many. */
export function dueTimes(timing: Timing, after: Date, until: Date, most: number): Date[] {
  const next = follower(timing);
  const due: Date[] = [];
  let at = next(after);
  while (at !== undefined && at <= until && due.length < most) {
    due.push(at);
    at = next(at);
  }
  return due;
}

function follower({ cron, everySeconds, timeZone }: Timing): (after: Date) => Date | undefined {
  if (cron !== null) return cronFollower(cron, timeZone);
  if (everySeconds === null) return () => undefined;
  const everyMs = everySeconds * 1000;
  return (after) => new Date((Math.floor(after.getTime() / everyMs) + 1) * everyMs);
}

function cronFollower(cron: string, timeZone: string): (after: Date) => Date | undefined {
  const options = { mode: '5-part', paused: true, domAndDow: cronsOf(cron).length === 1 } as const;
  const [, hour = ''] = fieldsOf(cron);
  // Each hour that passes counts, whatever clocks call it.
  if (/^\*(\/1)?$/.test(hour)) {
    const job = new Cron(cron, { ...options, timezone: timeZone });
    return (after) => job.nextRun(after) ?? undefined;
  }
  const job = new Cron(cron, { ...options, timezone: 'UTC' });
  const clock = wallClock(timeZone);
  return (after) => {
    for (let shown = job.nextRun(clock.shows(after)); shown; shown = job.nextRun(shown)) {
      const at = clock.firstShowing(shown);
      if (at > after) return at;
    }
    return undefined;
  };
}

/**
 * The same as Temporal reads it: where a day of the month and a day of the week are both named, cron means either, and
 * Temporal both. And it has no range that ends in a Sunday by name.
 */
export function cronsOf(cron: string): string[] {
  const [minute, hour, day = '*', month, named = '*'] = fieldsOf(cron);
  const weekday = named.replace(/-sun/gi, '-7');
  if (day.startsWith('*') || weekday.startsWith('*')) return [`${minute} ${hour} ${day} ${month} ${weekday}`];
  return [`${minute} ${hour} ${day} ${month} *`, `${minute} ${hour} * ${month} ${weekday}`];
}

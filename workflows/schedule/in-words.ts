// When a schedule is due, in words.
import cronstrue from 'cronstrue';
import { fieldsOf, type Timing } from './due-times.ts';

const units = [
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
] as const;

/** Of a timing that has no problem. */
export function inWords({ cron, everySeconds, timeZone }: Timing): string {
  if (cron !== null) {
    // It takes spaces alone for white space.
    const words = cronstrue.toString(fieldsOf(cron).join(' '), { use24HourTimeFormat: true, verbose: false });
    return `${words} (${timeZone})`;
  }
  const seconds = everySeconds ?? 0;
  const [length, unit] = units.find(([each]) => seconds % each === 0) ?? [1, 'second'];
  const count = seconds / length;
  return count === 1 ? `Every ${unit}` : `Every ${count} ${unit}s`;
}

/** A moment as a clock in that time zone shows it, such as `Sun 2026-03-29 03:30`. */
export function localTime(at: Date, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(at);
  const of = (type: string): string => parts.find((part) => part.type === type)?.value ?? '';
  const seconds = of('second') === '00' ? '' : `:${of('second')}`;
  return `${of('weekday')} ${of('year')}-${of('month')}-${of('day')} ${of('hour')}:${of('minute')}${seconds}`;
}

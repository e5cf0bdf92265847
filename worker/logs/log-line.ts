// One line of any process's log in one shape: ours and Temporal's are JSON, Postgres writes text.
import { z } from 'zod';

export interface LogLine {
  /** ISO 8601; a line without a time of its own has its predecessor's. */
  time: string;
  level: string;
  process: string;
  text: string;
  requestId?: string;
}

const JsonLine = z.looseObject({
  time: z.string(),
  level: z.string(),
  msg: z.string().default(''),
  requestId: z.string().optional(),
});

const postgresLine = /^(\d{4}-\d\d-\d\d) ([\d:.]+) UTC \[\d+\] (?:\S+ )?([A-Z]+\d?):\s+(.*)$/;

const postgresLevels: Record<string, string> = {
  ERROR: 'error',
  FATAL: 'error',
  PANIC: 'fatal',
  WARNING: 'warn',
};

function fromJson(process: string, line: string): LogLine | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    // Text that only looks like JSON, such as the first line of a crash.
    return undefined;
  }
  const { data } = JsonLine.safeParse(parsed);
  if (data === undefined) return undefined;
  const { time, level, msg, requestId, service: _, ...rest } = data;
  const more =
    Object.keys(rest).length === 0
      ? ''
      : ` ${JSON.stringify({ ...(requestId ? { requestId } : {}), ...rest })}`;
  const text = `${msg}${more}`;
  return {
    time,
    level: level.toLowerCase(),
    process,
    text,
    ...(requestId === undefined ? {} : { requestId }),
  };
}

/** A line that is in no known form goes on where the one before it stopped: a stack, a second line of text. */
export function toLogLine(process: string, line: string, before: LogLine | undefined): LogLine {
  const json = line.startsWith('{') ? fromJson(process, line) : undefined;
  if (json !== undefined) return json;
  const [, day, clock, level = '', text = ''] = postgresLine.exec(line) ?? [];
  const time = day === undefined ? (before?.time ?? '') : `${day}T${clock}Z`;
  // DETAIL, HINT and STATEMENT explain the line above them.
  const explains = day === undefined || ['DETAIL', 'HINT', 'STATEMENT', 'CONTEXT'].includes(level);
  const inherited = before?.level ?? 'info';
  return {
    time,
    level: explains ? inherited : (postgresLevels[level] ?? 'info'),
    process,
    text: day === undefined ? line : text,
  };
}

export function isError({ level }: LogLine): boolean {
  return level === 'error' || level === 'fatal';
}

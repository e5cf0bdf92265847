// The log of one process: JSON lines with time, level, service, msg and, where known, requestId and runId.
// No line leaves without passing the redactor.
import pino from 'pino';
import type { Logger } from 'pino';
import type { LogTarget } from './log-file.ts';
import { createLogQueue } from './log-queue.ts';

export interface LoggingInput {
  service: string;
  level: string;
  redact(text: string): string;
  /** Where lines go: standard output, unless a process has a reason of its own. */
  to?: LogTarget;
}

export interface Logging {
  logger: Logger;
  /** Writes what waits; the last thing a process does. */
  flush(): void;
}

export function createLogging(input: LoggingInput): Logging {
  const queue = createLogQueue(input.to ?? (() => 1));
  const logger = pino(
    {
      level: input.level,
      base: { service: input.service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    {
      get lastLevel() {
        return queue.lastLevel;
      },
      set lastLevel(level: number) {
        queue.lastLevel = level;
      },
      write: (line: string) => queue.write(input.redact(line)),
      // Makes pino set lastLevel before each line.
      [Symbol.for('pino.metadata')]: true,
    } as pino.DestinationStream,
  );
  return { logger, flush: queue.flush };
}

/**
 * A crash is logged, redacted and flushed like everything else, and then the process ends. `tell` writes where people
 * look, and says what to do.
 */
export function logCrashes(logging: Logging, tell: (error: Error) => void = () => undefined): void {
  // A promise that is rejected unheard comes here too.
  process.on('uncaughtException', (error) => {
    logging.logger.fatal({ err: error }, 'the process crashed');
    logging.flush();
    tell(error);
    process.exit(1);
  });
}

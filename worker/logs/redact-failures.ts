// Keeps known secrets out of Temporal: whatever an activity throws is redacted before it becomes history.
import type { ActivityInterceptors } from '@temporalio/worker';

export function redactFailures(redact: (text: string) => string): ActivityInterceptors {
  return {
    inbound: {
      async execute(input, next) {
        try {
          return await next(input);
        } catch (error) {
          for (let cause = error; cause instanceof Error; cause = cause.cause) {
            cause.message = redact(cause.message);
            if (cause.stack) cause.stack = redact(cause.stack);
          }
          throw error;
        }
      },
    },
  };
}

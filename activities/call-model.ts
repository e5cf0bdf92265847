// The activity of one model call: opens the step, asks the model, and stores the answer together with the review of its
// calls. What a dead attempt already stored is returned, never bought again.
import type { CallModelInput, CallModelResult } from '../workflows/contracts/activities.ts';
import { streamOf } from '../workflows/contracts/event.ts';
import { withAttempt } from './attempt.ts';
import type { ActivityDeps } from './deps.ts';
import { askModel } from './step/ask.ts';
import { closeReserved } from './step/draw.ts';
import { failModelCall } from './step/failure.ts';
import { openModelCall } from './step/open.ts';
import { prepareRequest } from './step/request.ts';
import { toStepResult } from './step/result.ts';
import { storeReviewed } from './step/store.ts';
import { pass } from './store/log/trace.ts';

export function createCallModel(deps: ActivityDeps): (input: CallModelInput) => Promise<CallModelResult> {
  return (input) => {
    const { runId, step, generation, pauses } = input;
    return withAttempt(deps, { runId, unit: `model/${step}`, generation, pauses }, async (task) => {
      const stream = streamOf('run', runId);
      pass('taken', stream);
      const opened = await openModelCall(deps, input, task);
      pass('opened', stream);
      if ('result' in opened) return opened.result;
      const attempt = { ...task, ref: opened.ref };
      const call = { run: opened.run, step, attempt };
      const prepared = await prepareRequest(deps, call, opened);
      if ('result' in prepared) return prepared.result;
      pass('reserved', stream);
      const asked = await askModel(deps, call, prepared.request);
      if (asked.kind !== 'failed') {
        const stored = await storeReviewed(deps, call, asked);
        return asked.kind === 'stopped' ? { kind: 'stopped' } : toStepResult(stored);
      }
      try {
        throw await failModelCall(deps, call, asked.cause, asked);
      } finally {
        await closeReserved(deps, call.run, step, attempt, asked.use);
      }
    });
  };
}

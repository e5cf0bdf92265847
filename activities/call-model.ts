// The activity of one model call: opens the step, asks the model, and stores the answer together with the review of its
// calls; where the conversation fills the window, it stores a summary first, and the next attempt asks. What a dead attempt already stored is returned, never bought again.
import type { CallModelInput, CallModelResult } from '../workflows/contracts/activities.ts';
import { streamOf } from '../workflows/contracts/event.ts';
import { withAttempt } from './attempt.ts';
import type { ActivityDeps } from './deps.ts';
import { askModel } from './step/ask.ts';
import { canCompact } from './step/asking.ts';
import { storeSummary, tellCompaction } from './step/compact.ts';
import { closeReserved } from './step/draw.ts';
import { failModelCall, goOnFromSummary } from './step/failure.ts';
import { openModelCall } from './step/open.ts';
import { prepareAhead, prepareRequest } from './step/request.ts';
import { toStepResult } from './step/result.ts';
import { storeReviewed } from './step/store.ts';
import { pass } from './store/log/trace.ts';

export function createCallModel(deps: ActivityDeps): (input: CallModelInput) => Promise<CallModelResult> {
  return (input) => {
    const { runId, step, generation, pauses } = input;
    return withAttempt(deps, { runId, unit: `model/${step}`, generation, pauses }, async (task) => {
      const stream = streamOf('run', runId);
      pass('taken', stream);
      const opened = await openModelCall(deps, input, task, (begun) => prepareAhead(deps, step, begun));
      pass('opened', stream);
      if ('result' in opened) return opened.result;
      const attempt = { ...task, ref: opened.ref };
      const call = { run: opened.run, step, attempt };
      const prepared = await prepareRequest(deps, call, { ...opened, ahead: await opened.ahead });
      if ('result' in prepared) return prepared.result;
      pass('reserved', stream);
      const { asking } = prepared;
      const { compaction } = asking;
      if (compaction) await tellCompaction(deps, call, asking);
      const asked = await askModel(deps, call, asking);
      if (asked.kind !== 'failed' && compaction) {
        const stored = await storeSummary(deps, call, asked, { ...asking, compaction });
        if (stored === 'stopped') return { kind: 'stopped' };
        throw goOnFromSummary();
      }
      if (asked.kind !== 'failed') {
        const stored = await storeReviewed(deps, call, asked);
        return asked.kind === 'stopped' ? { kind: 'stopped' } : toStepResult(stored);
      }
      try {
        const mayShrink = canCompact(opened.history, asking.prompt);
        throw await failModelCall(deps, call, asked.cause, { ...asked, mayShrink });
      } finally {
        await closeReserved(deps, call.run, step, attempt, asked.use);
      }
    });
  };
}

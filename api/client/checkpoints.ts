// The part of the client about what runs did to their projects step by step, and taking it back.
import type { CheckpointListView, RewindBody, RewindView } from '../../workflows/contracts/checkpoint.ts';
import type { ReceiptView } from '../../workflows/contracts/receipt.ts';
import type { DiffView } from '../../workflows/contracts/checkpoint.ts';
import type { Transport } from './transport.ts';

export function checkpointCalls({ json }: Transport) {
  const ofRun = (runId: string): string => `/runs/${encodeURIComponent(runId)}`;
  return {
    diff: (runId: string) => json<DiffView>('GET', `${ofRun(runId)}/diff`),
    /** `undo`: what it changed in its project is taken back once it has stopped. */
    cancel: (runId: string, body: { undo?: boolean } = {}) =>
      json<ReceiptView>('POST', `${ofRun(runId)}/cancel`, { body }),
    /** In order. */
    checkpoints: (runId: string, query?: { limit?: number; cursor?: string }) =>
      json<CheckpointListView>('GET', `${ofRun(runId)}/checkpoints`, { query: { ...query } }),
    checkpointDiff: (runId: string, number: number) =>
      json<DiffView>('GET', `${ofRun(runId)}/checkpoints/${number}/diff`),
    /** Answers at once; `rewind` says what has become of it. */
    startRewind: (runId: string, body: RewindBody) =>
      json<RewindView>('POST', `${ofRun(runId)}/rewind`, { body }),
    startApply: (runId: string, body: { exceptConflicts?: boolean } = {}) =>
      json<RewindView>('POST', `${ofRun(runId)}/apply`, { body }),
    rewind: (runId: string, rewindId: string) =>
      json<RewindView>('GET', `${ofRun(runId)}/rewinds/${encodeURIComponent(rewindId)}`),
  };
}

// The memory that a call may use: it reads that of its conversation and of its preset, and writes that of its conversation.
import type { ActivityDeps } from '../deps.ts';
import type { CallRow } from '../store/calls/calls.ts';
import { untilStored } from '../store/db/until-stored.ts';
import { addMemory, findMemory, forgetMemory, listMemory } from '../store/presets/memory.ts';
import { presetOf } from '../store/runs/preset-of-run.ts';
import type { RunRow } from '../store/runs/runs.ts';
import type { ToolContext } from '../tools/tool.ts';

// What an agent reads at one look.
const mostFound = 20;

export function memoryOf(
  { log }: Pick<ActivityDeps, 'log'>,
  run: RunRow,
  call: CallRow,
): ToolContext['memory'] {
  const { tenant_id: tenantId, conversation_id: conversationId } = run;
  const preset = presetOf(run)?.id;
  const keepers = { tenantId, conversationId, preset };
  const shown = (id: string): string => id.slice(-8);
  return {
    async keep(text) {
      const of = { scope: 'conversation', key: conversationId } as const;
      const row = await untilStored(() =>
        addMemory(log.db, {
          ...{ tenantId, ...of, by: `run ${run.id}`, text: log.redact(text) },
          call: { runId: run.id, callId: call.call_id },
        }),
      );
      if (row) return { id: shown(row.id) };
      return { problem: 'The memory of this conversation is full: a person has to delete some of it.' };
    },
    forget: (id) =>
      untilStored(() => forgetMemory(log.db, { tenantId, conversationId, preset: undefined }, id)),
    async find(words) {
      const limit = mostFound;
      const rows = await untilStored(() =>
        words === undefined || words.trim() === ''
          ? listMemory(log.db, { ...keepers, limit })
          : findMemory(log.db, { ...keepers, text: words, limit }),
      );
      return rows.map(({ id, text, scope }) => ({ id: shown(id), text, scope }));
    },
  };
}

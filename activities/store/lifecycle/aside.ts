// Runs beside the chain of a conversation: a side question, which is answered from the same context and leaves nothing in
// it, and what makes a title. They do nothing but answer, are parents of none, and keep no message waiting. In all else,
// money above all, they are runs.
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import type { EffectiveLimits } from '../../../workflows/contracts/run.ts';
import { activeStatuses } from '../../../workflows/run/transitions.ts';
import { toWarnings } from '../allowances/crossings.ts';
import { findPlace, placing, waitsFor } from '../allowances/run-places.ts';
import type { Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { holdConversation } from '../runs/conversations.ts';
import { activeRunOf, latestRunOf, parentFor } from '../runs/runs.ts';
import { type Accepted, refusalOf, refuseOwnerUnheld } from './accept-run.ts';
import {
  configureAfter,
  holdPoolsFor,
  refuseWithoutRoom,
  type StartNeeds,
  type Starter,
} from './start-run.ts';
import { writeRun } from './write-run.ts';

// More than one person asks at once; each holds a slot of a worker.
const mostAsides = 4;

// One answer, and a few more where it is cut or the model tries to do something.
const asideSteps = 4;
// A person waits for it.
const asideSeconds = 300;

export interface Aside {
  conversationId: string;
  prompt: string;
  kind: 'aside' | 'title';
  /** A shorter answer than the model could give. */
  maxOutputTokens?: number;
}

export async function startAside(
  write: Write,
  needs: StartNeeds,
  starter: Starter,
  { conversationId, prompt, kind, maxOutputTokens }: Aside,
): Promise<Accepted> {
  const { tenantId } = starter;
  refuseWithoutRoom(needs);
  const request = { conversationId, prompt };
  const held = await holdPoolsFor(write.tx, starter, request);
  const { settings } = found(
    await holdConversation(write.tx, tenantId, conversationId),
    `conversation ${conversationId}`,
  );
  const latest = await latestRunOf(write.tx, tenantId, conversationId);
  if (!latest) throw new Failure('NotRunnable', 'This conversation has no run to ask about.');
  await refuseTooMany(write.tx, conversationId);
  const before = { run: latest, source: 'conversation' as const };
  const config = await configureAfter(write, needs, starter, request, { before, settings });
  refuseOwnerUnheld(config, held);
  const id = uuid();
  const place = await findPlace(write.tx, held, { tenantId, parked: false });
  if (place.kind === 'refused') throw refusalOf(place);
  const run = await writeRun(
    write,
    { ...starter, conversationId, prompt: needs.redact(prompt), whenBusy: 'reject' },
    {
      ...config,
      // It touches no file: nothing is recorded, held or brought home.
      ...{ projectPath: null, workspace: null, executor: null },
      ...{ workTree: 'in-place', bringsHome: false, mayWrite: false },
      ...{ attended: false, overBudget: 'fail', stall: null },
      limits: bounded(config.limits, held.seconds, maxOutputTokens),
      // The title of a conversation is not in the voice of its preset.
      ...(kind === 'title' && { preset: null, instructions: null, externalTools: [] }),
    },
    {
      ...{ id, conversationId, parked: false, kind },
      parentId: kind === 'title' ? null : await contextOf(write.tx, tenantId, conversationId),
      places: placing(held, place, { id, tenantId, conversationId }),
      reasonText: place.kind === 'waits' ? waitsFor(place.full) : null,
      events: toWarnings(place.crossed),
    },
  );
  return { run, became: place.kind === 'waits' ? 'waiting' : 'started' };
}

/** What is under way now, else what the next message would go on from. */
async function contextOf(queries: Queries, tenantId: string, conversationId: string): Promise<string | null> {
  const active = await activeRunOf(queries, tenantId, conversationId);
  return active?.id ?? parentFor(queries, tenantId, conversationId);
}

function bounded(limits: EffectiveLimits, seconds = Infinity, maxOutputTokens?: number): EffectiveLimits {
  return {
    ...limits,
    steps: Math.min(limits.steps, asideSteps),
    seconds: Math.min(limits.seconds, asideSeconds, seconds),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
  };
}

async function refuseTooMany(queries: Queries, conversationId: string): Promise<void> {
  const { rows } = await sql<{ id: string }>`select id from runs where conversation_id = ${conversationId}
    and kind = 'aside' and status = any(${activeStatuses}::text[]) order by id`.execute(queries);
  const [first] = rows;
  if (!first || rows.length < mostAsides) return;
  throw new Failure(
    'ConversationBusy',
    `${mostAsides} side questions of this conversation are being answered: wait for one of them, or cancel it.`,
    { activeRunId: first.id },
  );
}

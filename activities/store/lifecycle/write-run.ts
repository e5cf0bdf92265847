// Writes a run that is accepted, asked for by a message or by a call of another run.
import { sql } from 'kysely';
import { Failure } from '../../../workflows/contracts/failures.ts';
import type { ContainerRef } from '../../../workflows/contracts/container.ts';
import type { RunWorkspace, Sources } from '../../../workflows/contracts/configuration.ts';
import type { RunKind, WakeUp } from '../../../workflows/contracts/delegation.ts';
import type { ExternalTool } from '../../../workflows/contracts/external-tool.ts';
import {
  type EffectiveLimits,
  type ExecMode,
  type OverBudget,
  type Priority,
  priorities,
  type RunLimits,
  type WhenBusy,
  type WorkTree,
} from '../../../workflows/contracts/run.ts';
import type { StoredPart } from '../../../workflows/contracts/message.ts';
import type { ScopeRef } from '../policies/policies.ts';
import type { StallLimits } from '../runs/stall.ts';
import { type NewEvent, streamOf } from '../../../workflows/contracts/event.ts';
import { addAudit } from '../access/audit.ts';
import type { placing } from '../allowances/run-places.ts';
import type { Write } from '../log/events.ts';
import { hasMemory } from '../presets/memory.ts';
import type { PresetOfRun } from '../runs/preset-of-run.ts';
import { nameContents, toParts } from '../runs/parts.ts';
import type { RunRow } from '../runs/runs.ts';
import { newConversation } from './conversation.ts';

/** A message, before it is known whether it becomes a run. */
export interface NewMessage {
  tenantId: string;
  prompt: string;
  /** What it carries beside its words. */
  parts?: readonly StoredPart[] | undefined;
  conversationId?: string;
  /** The client's id of this message; ours when it gave none. */
  messageId?: string;
  whenBusy: WhenBusy;
  requestId: string;
  by: string;
  /** What its conversation does from now on when subagents have reported that no run waits for. */
  wakeUp?: WakeUp;
  /** No person and no program sent it: the conversation goes on by itself. */
  woken?: true;
}

/** All that a run goes by, settled when it is accepted. */
export interface Configuration {
  model: string;
  policy: string;
  /** The profiles in the versions of now: the run keeps them. */
  policyScopes: ScopeRef[];
  priority: Priority;
  projectPath: string | null;
  /** The one whose first project that is. */
  workspace: RunWorkspace | null;
  limits: EffectiveLimits;
  /** The limits that are not the policy's own: they stand for the runs that follow. */
  saidLimits: RunLimits;
  stall: StallLimits | null;
  metadata: Record<string, string>;
  attended: boolean;
  /** Null: pause when attended, else fail. */
  overBudget: OverBudget | null;
  execMode: ExecMode;
  /** The one that the mode `container` uses. */
  container: ContainerRef | null;
  /** On whose machine its calls act. Null: on that of the server. */
  executor: string | null;
  workTree: WorkTree;
  /** Its changes come home by themselves when it succeeds. */
  bringsHome: boolean;
  /** A policy of it only reads, when false. */
  mayWrite: boolean;
  externalTools: ExternalTool[];
  preset: PresetOfRun | null;
  /** What its model is told before all messages: the instructions of its preset, filled in. */
  instructions: string | null;
  /** Whatever its policies require, a sandbox that does not contain is accepted. */
  acceptNoContainment: boolean;
  /** It draws from the pool of this owner too. */
  owner: string | null;
  sources: Sources;
}

/** Where a run stands that is about to be written. */
export interface NewPlace {
  id: string;
  conversationId: string;
  /** The run whose messages it goes on from. */
  parentId: string | null;
  /** The run whose message it answers anew. */
  alternativeOf?: string | undefined;
  parked: boolean;
  kind: RunKind;
  /** What it draws from, and the places it takes. */
  places: Pick<ReturnType<typeof placing>, 'account' | 'places'>;
  reasonText: string | null;
  /** Behind that of its begin. */
  events: NewEvent[];
}

/** Makes a run with its account, its message and its first event; every run there is was written here. */
export async function writeRun(
  write: Write,
  input: NewMessage,
  config: Configuration,
  { id, conversationId, parentId, alternativeOf, parked, kind, places, reasonText, events }: NewPlace,
): Promise<RunRow> {
  const opening =
    input.conversationId === undefined
      ? write.tx.with('opened', (db) =>
          db
            .insertInto('conversations')
            .values(newConversation({ ...input, id: conversationId, metadata: config.metadata, parentId })),
        )
      : write.tx;
  const { placed, ...run } = await opening
    .with('account', () => places.account)
    .with('places', () => places.places)
    .with('said', (db) =>
      db.insertInto('messages').values({
        run_id: id,
        tenant_id: input.tenantId,
        ...{ step: 0, phase: 0, position: 0, role: 'user' },
        text: input.prompt,
        parts: toParts(input.parts),
      }),
    )
    .insertInto('runs')
    .values({
      id,
      tenant_id: input.tenantId,
      conversation_id: conversationId,
      parent_id: parentId,
      alternative_of: alternativeOf ?? null,
      parked,
      kind,
      message_id: input.messageId ?? id,
      opens: input.conversationId === undefined,
      prompt: input.prompt,
      model: config.model,
      policy: config.policy,
      priority: priorities.indexOf(config.priority),
      project_path: config.projectPath,
      workspace: config.workspace && JSON.stringify(config.workspace),
      limits: JSON.stringify(config.limits satisfies RunLimits),
      metadata: JSON.stringify(config.metadata),
      request_id: input.requestId,
      accepted_by: input.by,
      policy_scopes: JSON.stringify(config.policyScopes),
      stall: config.stall && JSON.stringify(config.stall),
      attended: config.attended,
      over_budget: config.overBudget,
      exec_mode: config.execMode,
      container: config.container && JSON.stringify(config.container),
      ...{ executor: config.executor, work_tree: config.workTree, brings_home: config.bringsHome },
      may_write: config.mayWrite,
      accept_no_containment: config.acceptNoContainment,
      external_tools: JSON.stringify(config.externalTools),
      preset: config.preset && JSON.stringify(config.preset),
      instructions: config.instructions,
      has_memory: hasMemory({ tenantId: input.tenantId, conversationId, preset: config.preset?.id }),
      owner: config.owner,
      said_limits: JSON.stringify(config.saidLimits),
      sources: JSON.stringify(config.sources),
      reason_text: reasonText,
    })
    .returningAll()
    .returning(sql<boolean>`exists (select from account)`.as('placed'))
    .executeTakeFirstOrThrow();
  if (!placed)
    throw new Failure('NotRunnable', 'The tenant has no allowance; make one to let it run anything.');
  await nameContents(write.tx, run, input.parts);
  if (config.acceptNoContainment) await noteUncontained(write, input, run);
  write.append({
    tenantId: input.tenantId,
    stream: streamOf('run', id),
    conversationId,
    events: [queued(run, input, config), ...events],
  });
  return run;
}

async function noteUncontained(write: Write, { tenantId, by }: NewMessage, run: RunRow): Promise<void> {
  const entry = { tenantId, actor: by, runId: run.id, rule: run.policy };
  await addAudit(write, [{ ...entry, action: 'accept-no-containment', reason: 'the request said so' }]);
}

function queued(
  run: RunRow,
  { by }: NewMessage,
  { policy, priority, sources, execMode, container, preset, workspace, acceptNoContainment }: Configuration,
): NewEvent {
  return {
    type: 'run-queued',
    payload: {
      conversationId: run.conversation_id,
      parentId: run.parent_id,
      ...(run.alternative_of !== null && { alternativeOf: run.alternative_of }),
      // The message itself is a row; an event is for people who watch.
      prompt: run.prompt.slice(0, 2000),
      messageId: run.message_id,
      model: run.model,
      policy,
      priority,
      parked: run.parked,
      project: run.project_path === null ? null : { path: run.project_path },
      ...(workspace && { workspace }),
      limits: run.limits as RunLimits,
      sources,
      ...(preset && { preset: { id: preset.id, version: preset.version } }),
      execMode,
      ...(container && execMode === 'container' && { container }),
      ...(run.executor !== null && { executor: run.executor }),
      ...(run.work_tree === 'own' && { workTree: 'own' as const }),
      ...(run.brings_home && { bringsHome: true as const }),
      ...(acceptNoContainment && { acceptNoContainment }),
      by,
    },
  };
}

// A call that asks for a subagent: the run is accepted in the transaction that claims the call, within what is left to
// its parent. The call's row keeps a second attempt from asking twice.
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import type { ExternalTool } from '../../../workflows/contracts/external-tool.ts';
import { mostAtOnce, mostDepth, mostInAll } from '../../../workflows/contracts/delegation.ts';
import { Failure } from '../../../workflows/contracts/failures.ts';
import type { EffectiveLimits, ExecMode, RunLimits, WorkTree } from '../../../workflows/contracts/run.ts';
import type { Source, Sources } from '../../../workflows/contracts/configuration.ts';
import type { Preset } from '../../../workflows/contracts/preset.ts';
import type { ContainerRef } from '../../../workflows/contracts/container.ts';
import { snapshotStatuses } from '../../../workflows/run/transitions.ts';
import { leftInTree } from '../allowances/own-limits.ts';
import type { CallRow } from '../calls/calls.ts';
import type { Queries } from '../db/database.ts';
import { subagentBy } from '../lifecycle/choose-preset.ts';
import { type Configuration, writeRun } from '../lifecycle/write-run.ts';
import type { Write } from '../log/events.ts';
import type { ScopeRef } from '../policies/policies.ts';
import { holdPresets } from '../presets/presets.ts';
import { presetOf } from '../runs/preset-of-run.ts';
import { workspaceOf } from '../runs/workspace-of-run.ts';
import { type LockedRun, priorityOf, type RunRow, streamFor } from '../runs/runs.ts';
import type { StallLimits } from '../runs/stall.ts';
import { type DelegationRow, placeInTree, startOf } from './delegations.ts';

export interface Wanted {
  prompt: string;
  /** The same name again goes on with the same subagent. */
  name?: string | undefined;
  async: boolean;
}

/** `problem`: why there is none, for the model. */
export type OpenedDelegation = { child: RunRow; delegation: DelegationRow } | { problem: string };

/** The caller holds the locks of the run and of its conversation, and has claimed the call. */
export async function openDelegation(
  write: Write,
  needs: SubagentNeeds,
  parent: LockedRun,
  call: CallRow,
  { prompt, name, async }: Wanted,
): Promise<OpenedDelegation> {
  const { tx } = write;
  const place = await placeInTree(tx, parent);
  const ancestors = [...(place?.ancestors ?? []), parent.id];
  const [rootId = parent.id] = ancestors;
  const id = uuid();
  const path = `${place?.path ?? ''}/${name ?? id}`;
  const problem =
    ancestors.length > mostDepth
      ? `Subagents are at most ${mostDepth} deep, and this run is one of the deepest: do it yourself.`
      : await treeProblem(tx, rootId, { path, name, conversationId: parent.conversation_id });
  if (problem !== undefined) return { problem };
  const left = await leftInTree(tx, parent);
  const until = parent.deadline_at?.getTime() ?? Date.now();
  const secondsLeft = Math.ceil((until - Date.now()) / 1000);
  if (left.costMicros < 1 || left.tokens < 1 || secondsLeft < 1)
    return {
      problem: 'Nothing is left of the money, the tokens or the time of this run to give to a subagent.',
    };
  const own = await presetOfSubagent(write, needs, parent, name);
  if ('problem' in own) return own;
  const given = parent.limits as unknown as EffectiveLimits;
  const bounds = { ...given, ...left, seconds: Math.min(given.seconds, secondsLeft) };
  const limits = lowest(bounds, own.preset?.limits);
  const message = {
    ...{ tenantId: parent.tenant_id, conversationId: parent.conversation_id, prompt },
    ...{ whenBusy: 'queue' as const, requestId: parent.request_id, by: `run ${parent.id}` },
  };
  const child = await writeRun(
    write,
    message,
    { ...configurationOf(parent, limits), ...own.said, sources: sourcesOf(limits, own.preset) },
    {
      ...{ id, conversationId: parent.conversation_id, parked: false, kind: 'subagent' },
      parentId: name === undefined ? null : await earlierOf(tx, parent.conversation_id, path),
      places: placesOf(parent, id),
      ...{ reasonText: null, events: [] },
    },
  );
  const delegation = await tx
    .insertInto('delegations')
    .values({
      ...{ child_id: id, tenant_id: parent.tenant_id, conversation_id: parent.conversation_id },
      ...{ parent_id: parent.id, call_id: call.call_id, ancestors, root_id: rootId },
      ...{ name: name ?? `agent-${call.call_id}`, path, async },
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await tx
    .updateTable('runs')
    .set((eb) => ({ children: eb('children', '+', 1) }))
    .where('id', '=', parent.id)
    .execute();
  parent.children += 1;
  write.append({ ...streamFor(parent), events: [startOf(delegation)] });
  return { child, delegation };
}

type SubagentNeeds = Parameters<typeof subagentBy>[0];

/** What the preset of the run says of a subagent with this name; nothing where it names none. */
async function presetOfSubagent(
  write: Write,
  needs: SubagentNeeds,
  parent: RunRow,
  name: string | undefined,
): Promise<{ said: Partial<Configuration>; preset?: Preset } | { problem: string }> {
  const named = presetOf(parent)?.subagents?.find((each) => each.name === name);
  if (!named) return { said: {} };
  const held = await holdPresets(write, parent.tenant_id, [named.preset]);
  const found = held.find(({ preset }) => preset.id === named.preset);
  if (!found)
    return { problem: `The preset ${named.preset} of the subagent ${named.name} is not there any more.` };
  try {
    return { said: subagentBy(needs, found, parent), preset: found.preset };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { problem: `There can be no subagent ${named.name} now. ${error.message}` };
  }
}

/** What is left to the parent bounds what the preset of a subagent says. */
function lowest(left: EffectiveLimits, said: RunLimits = {}): EffectiveLimits {
  const names = Object.keys(said) as (keyof RunLimits)[];
  const lower = names.map((name) => [name, Math.min(said[name] ?? Infinity, left[name] ?? Infinity)]);
  return { ...left, ...Object.fromEntries(lower) };
}

/** The lock of the conversation keeps these numbers as they are: a tree is of one conversation. */
async function treeProblem(
  queries: Queries,
  rootId: string,
  { path, name, conversationId }: { path: string; name: string | undefined; conversationId: string },
): Promise<string | undefined> {
  const counted = await queries
    .selectFrom('delegations')
    .select(({ fn }) => [
      fn.countAll<number>().as('all'),
      fn.countAll<number>().filterWhere('state', '=', 'working').as('working'),
    ])
    .where('root_id', '=', rootId)
    .executeTakeFirstOrThrow();
  if (counted.all >= mostInAll)
    return `All ${mostInAll} subagents that a run and its subagents may have in all are used up: do it yourself.`;
  if (counted.working >= mostAtOnce)
    return `${mostAtOnce} subagents are at work, and there is room for no more at once: wait for one of them, or do it yourself.`;
  const busy = await queries
    .selectFrom('delegations')
    .select('child_id')
    .where('conversation_id', '=', conversationId)
    .where('path', '=', path)
    .where('state', '=', 'working')
    .executeTakeFirst();
  return busy && `The subagent ${name} is at work: wait for it, or use another name.`;
}

/** The last run of a subagent that left something to go on from. */
async function earlierOf(queries: Queries, conversationId: string, path: string): Promise<string | null> {
  const row = await queries
    .selectFrom('delegations')
    .innerJoin('runs', 'runs.id', 'delegations.child_id')
    .select('runs.id')
    .where('delegations.conversation_id', '=', conversationId)
    .where('path', '=', path)
    .where('runs.status', 'in', snapshotStatuses)
    .orderBy('runs.id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.id ?? null;
}

/**
 * It draws from all that its parent draws from, and its parent's own pool. It takes no place among the runs of a pool:
 * it works in that of its main run, which would else wait for it while it waits for that place.
 */
function placesOf(parent: RunRow, id: string) {
  return {
    account: sql<Record<string, unknown>>`(
      insert into allowance_runs (run_id, tenant_id, state, chain)
      select ${id}::uuid, tenant_id, 'running', array_append(chain, ${`run/${id}`}) from allowance_runs
      where run_id = ${parent.id} and state = 'running'
      returning run_id
    )`,
    places: sql<Record<string, unknown>>`(select)`,
  };
}

/** All that bounds the parent bounds it; what only the parent's caller can do, its own tools, it has not. */
function configurationOf(parent: RunRow, limits: EffectiveLimits): Omit<Configuration, 'sources'> {
  return {
    model: parent.model,
    policy: parent.policy,
    policyScopes: parent.policy_scopes as unknown as ScopeRef[],
    priority: priorityOf(parent.priority),
    projectPath: parent.project_path,
    workspace: workspaceOf(parent),
    limits,
    saidLimits: {},
    stall: parent.stall as unknown as StallLimits | null,
    metadata: parent.metadata as Record<string, string>,
    attended: parent.attended,
    // Its parent hears that it has failed, and asks people for more when it comes to the same limit.
    overBudget: 'fail',
    execMode: parent.exec_mode as ExecMode,
    container: parent.container as ContainerRef | null,
    executor: parent.executor,
    // Its main run holds the directory for all of its tree.
    workTree: parent.work_tree as WorkTree,
    // The main run brings home what both have changed.
    bringsHome: false,
    mayWrite: parent.may_write,
    externalTools: [] satisfies ExternalTool[],
    // Its preset keeps tools from it too.
    preset: presetOf(parent),
    instructions: parent.instructions,
    acceptNoContainment: parent.accept_no_containment,
    owner: parent.owner,
  };
}

/** Its own preset can say which model it has, and lower its limits; that preset itself is named by the run that asks. */
function sourcesOf(limits: EffectiveLimits, own: Partial<Preset> = {}): Sources {
  const source = 'delegation' as const;
  const ofLimit = (name: keyof RunLimits): Source =>
    own.limits?.[name] !== undefined && own.limits[name] === limits[name] ? 'preset' : source;
  return {
    ...{ preset: source, project: source, workspace: source, model: own.model ? 'preset' : source },
    ...{ policy: source, priority: source, owner: source, attended: source, overBudget: source },
    ...{ externalTools: source, execMode: source, workTree: source, container: source, executor: source },
    limits: {
      ...{ steps: ofLimit('steps'), seconds: ofLimit('seconds'), costMicros: ofLimit('costMicros') },
      ...{ tokens: ofLimit('tokens'), maxOutputTokens: ofLimit('maxOutputTokens') },
    },
  };
}

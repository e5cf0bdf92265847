// Starting a run: what the request leaves open is decided here, then it is accepted. Every run begins this way.
import type { Sources } from '../../../workflows/contracts/configuration.ts';
import type { ConversationSettings } from '../../../workflows/contracts/conversation.ts';
import type { ExternalTool } from '../../../workflows/contracts/external-tool.ts';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import type { StoredPart } from '../../../workflows/contracts/message.ts';
import type { StartRunBody } from '../../../workflows/contracts/run.ts';
import type { SandboxView } from '../../../workflows/contracts/system.ts';
import { whyContained } from '../../../workflows/policy/containment.ts';
import { defaultProfileOf, toRunLimits } from '../../../workflows/policy/presets.ts';
import type { PoolName } from '../allowances/allowances.ts';
import { type HeldPools, holdPools } from '../allowances/run-places.ts';
import type { Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { resolveScopes, type ResolvedScopes } from '../policies/policy-scopes.ts';
import { holdPresets, type StoredPreset } from '../presets/presets.ts';
import { latestRunOf, type RunRow } from '../runs/runs.ts';
import { type Accepted, acceptRun } from './accept-run.ts';
import { besideRun, runToGoOnFrom } from './branch.ts';
import { executorOf, refuseWorkspaceOn, sandboxesOn } from './choose-executor.ts';
import { placeOf, refuseTwoPlaces, refuseUnseen } from './choose-place.ts';
import { type PresetNeeds, presetFor } from './choose-preset.ts';
import { insteadOf } from './instead-of.ts';
import { type SandboxChoices, sandboxOf, treeOf } from './choose-sandbox.ts';
import type { Configuration } from './write-run.ts';
import { type Carried, carryOn, presetsNamed, type RunBefore, type Surroundings } from './configuration.ts';
import { findConversation } from '../runs/conversations.ts';

/** What only the process that starts a run can tell. */
export interface StartNeeds extends SandboxChoices, PresetNeeds {
  defaultModel(): string;
  /** How many tokens of prompt and answer this model takes. */
  windowOf(model: string): number;
  /** The one path of a directory, whatever links lead to it. Throws a Failure when there is none. */
  realPath(path: string): Promise<string>;
  /** Why these tools of the caller's own cannot be offered, in one sentence. */
  externalToolsProblem(tools: readonly ExternalTool[]): string | undefined;
  /** Why there is no room for new work on the disk, and what to do about it. */
  diskProblem(): string | undefined;
}

/** In whose name a run is started. */
export interface Starter {
  tenantId: string;
  /** As events and records show it. */
  by: string;
  requestId: string;
  /** No person and no program sent it: the conversation goes on by itself. */
  woken?: true;
  /** It takes up what the run before has begun: a risk that was accepted for that run is accepted for this one. */
  takesUp?: true;
  /** Pools that it draws from beside those of its request. */
  pools?: readonly PoolName[];
}

/** A run whose request is made again. */
export interface MadeAgain {
  run: RunRow;
  /** Its pools, locked by a caller that takes other locks before this. */
  held?: HeldPools;
  /** It is answered anew from where it went on from, and not behind all that was said since. */
  beside?: true;
}

/**
 * Refuses a project, a model or a policy there is not, and a policy that requires more of the sandbox than there is,
 * whether the request names it or the run before had it.
 */
export async function startRun(
  write: Write,
  needs: StartNeeds,
  starter: Starter,
  request: StartRunBody,
  { again, parts }: { again?: MadeAgain; parts?: readonly StoredPart[] } = {},
): Promise<Accepted> {
  const { conversationId, messageId, whenBusy = 'reject', wakeUp } = request;
  const message = {
    ...starter,
    // On entry: what is a secret here is one for the model and the log too.
    prompt: needs.redact(request.prompt),
    parts,
    whenBusy,
    ...(conversationId !== undefined && { conversationId }),
    ...(messageId !== undefined && { messageId }),
    ...(wakeUp !== undefined && { wakeUp }),
  };
  const after = (around: Parameters<typeof configureAfter>[4]): Promise<Configuration> =>
    configureAfter(write, needs, starter, request, around);
  const from = await runToGoOnFrom(write.tx, starter.tenantId, request);
  const before = again
    ? ({ run: again.run, source: 'run' } as const)
    : from && ({ run: from, source: 'conversation' } as const);
  const branch = again?.beside ? besideRun(again.run) : from && { parentId: from.id };
  let holding = again?.held && Promise.resolve(again.held);
  const hold = (): Promise<HeldPools> => (holding ??= holdPoolsFor(write.tx, starter, request, before?.run));
  // Where there is no conversation to look at under a lock, what may take long comes before any lock; what is then read
  // travels with the locks.
  const alone =
    conversationId === undefined ? await after({ before, checked: () => write.send(hold()) }) : undefined;
  return acceptRun(write, message, {
    held: await hold(),
    mayBegin: () => refuseWithoutRoom(needs),
    ...(branch && { branch }),
    configure: async (latest, settings) =>
      alone ?? after({ before: before ?? (latest && { run: latest, source: 'conversation' }), settings }),
  });
}

/** Where a run came before, that had the default or wanted none: only what is named is looked up. */
async function presetsFor(
  write: Write,
  tenantId: string,
  named: readonly string[],
  before: RunBefore | undefined,
): Promise<StoredPreset[]> {
  return before && named.length === 0 ? [] : holdPresets(write, tenantId, named);
}

/**
 * What such a run would go by if it began now. Refused as the run would be, allowances and the disk apart.
 */
export async function checkStart(
  write: Write,
  needs: StartNeeds,
  starter: Starter,
  request: StartRunBody,
): Promise<Configuration> {
  const { tenantId } = starter;
  const { conversationId } = request;
  const from = await runToGoOnFrom(write.tx, tenantId, request);
  if (from)
    return configureAfter(write, needs, starter, request, { before: { run: from, source: 'conversation' } });
  if (conversationId === undefined) return configureAfter(write, needs, starter, request, {});
  const conversation = found(
    await findConversation(write.tx, tenantId, conversationId),
    `conversation ${conversationId}`,
  );
  const settings = conversation.settings as ConversationSettings;
  const latest = await latestRunOf(write.tx, tenantId, conversationId);
  const before = latest && ({ run: latest, source: 'conversation' } as const);
  return configureAfter(write, needs, starter, request, { before, settings });
}

/** `checked`: told when what is outside of the database has been seen. */
export async function configureAfter(
  write: Write,
  needs: StartNeeds,
  starter: Starter,
  request: StartRunBody,
  { checked, ...around }: Omit<Surroundings, 'presets'> & { checked?: () => void },
): Promise<Configuration> {
  refuseTwoPlaces(request);
  const presets = await presetsFor(write, starter.tenantId, presetsNamed(request, around), around.before);
  const accepted = starter.takesUp && around.before?.run.accept_no_containment;
  const asked = accepted ? { ...request, acceptNoContainment: true } : request;
  return configure(write.tx, needs, starter, carryOn(asked, { ...around, presets }), checked);
}

/** The owner is looked up before any lock; whether it still is the same, accepting the run finds out. */
export async function holdPoolsFor(
  queries: Queries,
  { tenantId, pools = [] }: Starter,
  { conversationId, owner }: Pick<StartRunBody, 'conversationId' | 'owner'>,
  named?: RunRow,
): Promise<HeldPools> {
  const before =
    named ??
    (conversationId !== undefined && owner === undefined
      ? await latestRunOf(queries, tenantId, conversationId)
      : undefined);
  const counts = owner ?? before?.owner ?? undefined;
  const others = [...(counts === undefined ? [] : [`owner/${counts}` as const]), ...pools];
  return holdPools(queries, { tenantId, others, ...(conversationId !== undefined && { conversationId }) });
}

/** Settles what is still open by the defaults of this server. `checked`: what is outside of the database has been seen. */
async function configure(
  queries: Queries,
  needs: StartNeeds,
  starter: Starter,
  { wanted, sources, preset: chosen }: Carried,
  checked: () => void = () => undefined,
): Promise<Configuration> {
  const preset = presetFor(needs, chosen, wanted, sources);
  const { externalTools = [], acceptNoContainment = false } = wanted;
  const executor = await executorOf(queries, starter.tenantId, wanted.executor);
  const choices = executor ? sandboxesOn(executor, needs) : needs;
  const finding = executor ? asGiven : needs;
  const { projectPath, workspace } = await placeOf(queries, finding, starter.tenantId, wanted, sources);
  refuseWorkspaceOn(executor, workspace);
  const model = modelOf(needs, wanted, sources);
  const sandbox = await sandboxOf(choices, wanted, projectPath);
  refuseUnseen(sandbox.mode, workspace);
  checked();
  const scopes = await scopesOf(queries, starter, { ...wanted, projectPath }, sources);
  const [profile] = scopes.profiles;
  if (sandbox.problem !== null) throw new Failure('SandboxUnavailable', sandbox.problem);
  const uncontained = acceptNoContainment ? undefined : containmentProblem(sandbox, scopes);
  if (uncontained) throw uncontained;
  const problem = needs.externalToolsProblem(externalTools);
  if (problem !== undefined) throw new Failure('InvalidInput', problem);
  return {
    model,
    policy: profile.id,
    policyScopes: scopes.refs,
    priority: wanted.priority ?? 'normal',
    projectPath,
    workspace,
    limits: { ...toRunLimits(profile), ...wanted.limits },
    saidLimits: wanted.limits ?? {},
    stall: profile.stall,
    metadata: wanted.metadata ?? {},
    attended: wanted.attended ?? false,
    overBudget: wanted.overBudget ?? null,
    execMode: sandbox.mode,
    container: wanted.container ?? null,
    executor: executor?.name ?? null,
    ...treeOf(wanted, sources, sandbox.mode, projectPath),
    mayWrite: scopes.profiles.every((each) => each?.mode !== 'plan'),
    externalTools,
    ...preset,
    acceptNoContainment,
    owner: wanted.owner ?? null,
    sources,
  };
}

// Its machine finds out at the begin whether it is a directory, and by its real path.
const asGiven: Pick<StartNeeds, 'realPath'> = { realPath: async (path) => path };

export function refuseWithoutRoom(needs: StartNeeds): void {
  const problem = needs.diskProblem();
  if (problem !== undefined) throw new Failure('DiskFull', problem);
}

function modelOf(
  needs: StartNeeds,
  { model = needs.defaultModel() }: StartRunBody,
  sources: Sources,
): string {
  if (needs.hasModel(model)) return model;
  const detail = `No provider here has the model ${model}; GET /api/v1/models lists the providers.`;
  throw new Failure('UnknownModel', detail + insteadOf(sources.model, 'model'));
}

const places = { run: '', project: ', which applies to the project,', global: ', which applies everywhere,' };

/** Any profile that a run is held against may require it: its own, or one that applies to its project or everywhere. */
function containmentProblem(
  { mode, contains, reach }: SandboxView,
  { refs, profiles }: ResolvedScopes,
): Failure | undefined {
  if (Object.values(contains).every(Boolean)) return undefined;
  const requiring = refs.flatMap(({ scope, id }, index) => {
    const profile = profiles[index];
    const why = profile && whyContained(profile);
    const says = `The policy ${id}${places[scope]} requires a sandbox that contains: ${why}.`;
    return why === undefined ? [] : [{ id, says }];
  });
  if (requiring.length === 0) return undefined;
  const detail =
    `${requiring.map(({ says }) => says).join(' ')} The sandbox ${mode} ${reach}. Use another policy, or accept that ` +
    'for this run with acceptNoContainment: true (perdure run --accept-no-containment).';
  return new Failure('ContainmentRequired', detail, {
    policies: requiring.map(({ id }) => id),
    sandbox: mode,
  });
}

async function scopesOf(
  queries: Queries,
  { tenantId }: Starter,
  {
    policy,
    attended,
    projectPath,
  }: Pick<StartRunBody, 'policy' | 'attended'> & { projectPath: string | null },
  sources: Sources,
): Promise<ResolvedScopes> {
  const fallback = defaultProfileOf({ attended });
  const resolved = await resolveScopes(queries, tenantId, { policy, projectPath, fallback });
  if (resolved) return resolved;
  const detail = `There is no policy ${policy ?? fallback}; GET /api/v1/policies lists them.`;
  throw new Failure('UnknownPolicy', detail + insteadOf(sources.policy, 'policy'));
}

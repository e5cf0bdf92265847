// Starting a run: what the request leaves open is decided here, then it is accepted. Every run begins this way.
import type { Source, Sources } from '../../../workflows/contracts/configuration.ts';
import type { ExternalTool } from '../../../workflows/contracts/external-tool.ts';
import { isPlainPath, pathProblem } from '../../../workflows/contracts/fields.ts';
import { Failure } from '../../../workflows/contracts/failures.ts';
import type { ExecMode, StartRunBody } from '../../../workflows/contracts/run.ts';
import type { SandboxView } from '../../../workflows/contracts/system.ts';
import { whyContained } from '../../../workflows/policy/containment.ts';
import { defaultProfileOf, toRunLimits } from '../../../workflows/policy/presets.ts';
import { type HeldPools, holdPools } from '../allowances/run-places.ts';
import type { Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { resolveScopes, type ResolvedScopes } from '../policies/policy-scopes.ts';
import { latestRunOf, type RunRow } from '../runs/runs.ts';
import { type Accepted, acceptRun, type Configuration } from './accept-run.ts';
import { type Carried, carryOn, type RunBefore } from './configuration.ts';

/** What only the process that starts a run can tell. */
export interface StartNeeds {
  defaultModel(): string;
  /** True when the provider in a model's name is one we can reach. */
  hasModel(name: string): boolean;
  /** The one path of a directory, whatever links lead to it. Throws a Failure when there is none. */
  realPath(path: string): Promise<string>;
  /** Why these tools of the caller's own cannot be offered, in one sentence. */
  externalToolsProblem(tools: readonly ExternalTool[]): string | undefined;
  redact(text: string): string;
  /** A kind of sandbox, and why it cannot be used here now if so. */
  sandbox(mode: ExecMode): Promise<SandboxView>;
  /** Why there is no room for new work on the disk, and what to do about it. */
  diskProblem(): string | undefined;
}

/** In whose name a run is started. */
export interface Starter {
  tenantId: string;
  /** As events and records show it. */
  by: string;
  requestId: string;
}

/** A run whose request is made again, with its pools, locked by a caller that takes other locks before this. */
export interface MadeAgain {
  run: RunRow;
  held: HeldPools;
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
  again?: MadeAgain,
): Promise<Accepted> {
  const { conversationId, messageId, whenBusy = 'reject' } = request;
  const message = {
    ...starter,
    // On entry: what is a secret here is one for the model and the log too.
    prompt: needs.redact(request.prompt),
    whenBusy,
    ...(conversationId !== undefined && { conversationId }),
    ...(messageId !== undefined && { messageId }),
  };
  const configureAfter = (before: RunBefore | undefined): Promise<Configuration> =>
    configure(write.tx, needs, starter, carryOn(request, before));
  // Before any lock, where there is no conversation to look at under one.
  const alone = conversationId === undefined ? await configureAfter(undefined) : undefined;
  return acceptRun(write, message, {
    held: again?.held ?? (await holdPoolsFor(write.tx, starter, request)),
    mayBegin: () => refuseWithoutRoom(needs),
    configure: async (latest) => {
      if (alone) return alone;
      if (again) return configureAfter({ run: again.run, source: 'run' });
      return configureAfter(latest && { run: latest, source: 'conversation' });
    },
  });
}

/** The owner is looked up before any lock; whether it still is the same, accepting the run finds out. */
async function holdPoolsFor(
  queries: Queries,
  { tenantId }: Starter,
  { conversationId, owner }: StartRunBody,
): Promise<HeldPools> {
  const latest =
    conversationId !== undefined && owner === undefined
      ? await latestRunOf(queries, tenantId, conversationId)
      : undefined;
  const counts = owner ?? latest?.owner ?? undefined;
  const others = counts === undefined ? [] : [`owner/${counts}` as const];
  return holdPools(queries, { tenantId, others, ...(conversationId !== undefined && { conversationId }) });
}

/** Settles what is still open by the defaults of this server. */
async function configure(
  queries: Queries,
  needs: StartNeeds,
  starter: Starter,
  { wanted, sources }: Carried,
): Promise<Configuration> {
  const { externalTools = [], acceptNoContainment = false, execMode = 'mount' } = wanted;
  const projectPath = await projectOf(needs, wanted, sources);
  const model = modelOf(needs, wanted, sources);
  const scopes = await scopesOf(queries, starter, { ...wanted, projectPath }, sources);
  const [profile] = scopes.profiles;
  const sandbox = await needs.sandbox(execMode);
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
    limits: { ...toRunLimits(profile), ...wanted.limits },
    saidLimits: wanted.limits ?? {},
    stall: profile.stall,
    metadata: wanted.metadata ?? {},
    attended: wanted.attended ?? false,
    overBudget: wanted.overBudget ?? null,
    execMode,
    externalTools,
    acceptNoContainment,
    owner: wanted.owner ?? null,
    sources,
  };
}

/**
 * The one path of its directory, once and for all: whatever link it was named by, all that the run does and leaves is
 * under the one name. Null: it works in a scratch folder.
 */
async function projectOf(
  needs: StartNeeds,
  { project = null }: StartRunBody,
  sources: Sources,
): Promise<string | null> {
  if (project === null) return null;
  const path = await needs.realPath(project.path).catch((error: unknown) => {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(
      error.code,
      error.message + insteadOf(sources.project, 'project', projectHint),
      error.extra,
    );
  });
  if (!isPlainPath(path)) throw new Failure('InvalidInput', pathProblem);
  return path;
}

const projectHint =
  ' (perdure run --conversation ID --project DIR), or null (--project none) for a scratch folder';

/** What to do about a setting that was taken over and does not hold any more; nothing where the request names it. */
function insteadOf(source: Source, field: keyof Sources, how = ''): string {
  if (source === 'conversation') return ` The run before had it: name another with ${field}${how}.`;
  return source === 'run' ? ' The run that is to be asked again had it: send a new message instead.' : '';
}

function refuseWithoutRoom(needs: StartNeeds): void {
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

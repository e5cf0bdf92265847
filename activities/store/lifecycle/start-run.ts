// Starting a run: what the request leaves open is decided here, then it is accepted. Every run begins this way.
import type { ExternalTool } from '../../../workflows/contracts/external-tool.ts';
import { isPlainPath, pathProblem } from '../../../workflows/contracts/fields.ts';
import { Failure } from '../../../workflows/contracts/failures.ts';
import type { StartRunBody } from '../../../workflows/contracts/run.ts';
import type { SandboxView } from '../../../workflows/contracts/system.ts';
import { whyContained } from '../../../workflows/policy/containment.ts';
import { defaultProfileOf, toRunLimits } from '../../../workflows/policy/presets.ts';
import type { HeldPools } from '../allowances/run-places.ts';
import type { Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { placeOfProject, resolveScopes, type ResolvedScopes } from '../policies/policy-scopes.ts';
import { type Accepted, acceptRun } from './accept-run.ts';

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
  /** The sandbox that runs get. */
  sandbox: SandboxView;
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

/**
 * Refuses a model or a policy there is not, and a policy that requires more of the sandbox than there is. `held`: pools that are locked already, by a caller that takes other locks
 * before this; the run draws from them, whatever its owner.
 */
export async function startRun(
  write: Write,
  needs: StartNeeds,
  starter: Starter,
  wanted: StartRunBody,
  held?: HeldPools,
): Promise<Accepted> {
  const { conversationId, messageId, owner, externalTools = [] } = wanted;
  // Once and for all: whatever link it was named by, all that the run does and leaves is under the one name.
  const projectPath = await placeOfProject(needs, wanted.project?.path ?? null);
  if (projectPath !== null && !isPlainPath(projectPath)) throw new Failure('InvalidInput', pathProblem);
  const model = modelOf(needs, wanted);
  const scopes = await scopesOf(write.tx, starter, { ...wanted, projectPath });
  const [profile] = scopes.profiles;
  const acceptNoContainment = wanted.acceptNoContainment ?? false;
  const uncontained = acceptNoContainment ? undefined : containmentProblem(needs.sandbox, scopes);
  const problem = needs.externalToolsProblem(externalTools);
  if (problem !== undefined) throw new Failure('InvalidInput', problem);
  const run = {
    ...starter,
    // On entry: what is a secret here is one for the model and the log too.
    prompt: needs.redact(wanted.prompt),
    model,
    policy: profile.id,
    policyScopes: scopes.refs,
    priority: wanted.priority ?? 'normal',
    projectPath,
    limits: { ...toRunLimits(profile), ...wanted.limits },
    stall: profile.stall,
    metadata: wanted.metadata ?? {},
    whenBusy: wanted.whenBusy ?? 'reject',
    attended: wanted.attended ?? false,
    externalTools,
    acceptNoContainment,
    pools: owner === undefined ? [] : [`owner/${owner}` as const],
    ...(conversationId !== undefined && { conversationId }),
    ...(messageId !== undefined && { messageId }),
    ...(uncontained && { uncontained }),
  };
  return acceptRun(write, run, held, () => refuseWithoutRoom(needs));
}

function refuseWithoutRoom(needs: StartNeeds): void {
  const problem = needs.diskProblem();
  if (problem !== undefined) throw new Failure('DiskFull', problem);
}

function modelOf(needs: StartNeeds, { model = needs.defaultModel() }: StartRunBody): string {
  if (needs.hasModel(model)) return model;
  const detail = `No provider here has the model ${model}; GET /api/v1/models lists the providers.`;
  throw new Failure('UnknownModel', detail);
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
): Promise<ResolvedScopes> {
  const fallback = defaultProfileOf({ attended });
  const resolved = await resolveScopes(queries, tenantId, { policy, projectPath, fallback });
  if (resolved) return resolved;
  const detail = `There is no policy ${policy ?? fallback}; GET /api/v1/policies lists them.`;
  throw new Failure('UnknownPolicy', detail);
}

// From a body to an accepted run: the choices a caller left open, the transaction, and what the workflows are told.
import type { FastifyRequest } from 'fastify';
import { type Accepted, acceptRun, type NewRun } from '../../activities/store/lifecycle/accept-run.ts';
import { afterEnd, givePlaces } from '../../activities/store/lifecycle/after-end.ts';
import type { Queries } from '../../activities/store/db/database.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { resolveScopes } from '../../activities/store/policies/policy-scopes.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { RunStatus, SendMessageBody, StartRunView } from '../../workflows/contracts/run.ts';
import { defaultProfile, toRunLimits } from '../../workflows/policy/presets.ts';
import type { Parts } from '../parts.ts';
import type { Outcome } from '../plugins/idempotency.ts';

/** Decides what the body leaves open; refuses a model or policy there is not. */
export async function toNewRun(
  parts: Parts,
  queries: Queries,
  request: FastifyRequest,
  body: SendMessageBody,
  conversationId: string | undefined,
): Promise<NewRun> {
  const model = body.model ?? parts.defaults.model();
  if (!parts.hasModel(model)) {
    throw new Failure(
      'UnknownModel',
      `No provider here has the model ${model}; GET /api/v1/models lists the providers.`,
    );
  }
  const projectPath = body.project?.path ?? null;
  const { tenantId } = request.caller;
  const fallback = defaultProfile;
  const applying = await resolveScopes(queries, tenantId, {
    policy: body.policy,
    projectPath: await policyPlaceOf(parts, projectPath),
    fallback,
  });
  if (!applying) {
    throw new Failure(
      'UnknownPolicy',
      `There is no policy ${body.policy ?? fallback}; GET /api/v1/policies lists them.`,
    );
  }
  const [profile] = applying.profiles;
  const problem = parts.externalToolsProblem(body.externalTools ?? []);
  if (problem !== undefined) throw new Failure('InvalidInput', problem);
  return {
    tenantId,
    // On entry: what is a secret here is one for the model and the log too.
    prompt: parts.redact(body.prompt),
    model,
    policy: profile.id,
    policyScopes: applying.refs,
    priority: body.priority ?? 'normal',
    projectPath,
    limits: { ...toRunLimits(profile), ...body.limits },
    stall: profile.stall,
    metadata: body.metadata ?? {},
    whenBusy: body.whenBusy ?? 'reject',
    attended: body.attended ?? false,
    externalTools: body.externalTools ?? [],
    pools: body.owner === undefined ? [] : [`owner/${body.owner}`],
    requestId: request.id,
    by: request.caller.by,
    ...(conversationId !== undefined && { conversationId }),
    ...(body.messageId !== undefined && { messageId: body.messageId }),
  };
}

/** Whatever link leads to a project, it is the same place. Whether there is such a directory, the run finds out. */
export async function policyPlaceOf(parts: Parts, projectPath: string | null): Promise<string | null> {
  return projectPath === null ? null : parts.realPath(projectPath).catch(() => projectPath);
}

export async function accept(parts: Parts, write: Write, newRun: NewRun): Promise<Outcome> {
  const accepted = await acceptRun(write, newRun);
  return { status: 202, body: toStartRunView(accepted), after: () => tell(parts, accepted) };
}

/** After the commit. */
export async function tell(
  { log, runs }: Parts,
  { run, became, interrupted, ended }: Accepted,
): Promise<void> {
  if (became === 'started') runs.started(run);
  // A place may have become free since it was looked for.
  if (became === 'waiting')
    for (const admitted of await givePlaces(log, run.tenant_id)) runs.started(admitted);
  if (became === 'steered') runs.wake(run.id);
  if (interrupted) runs.wake(interrupted.id);
  if (ended) for (const admitted of await afterEnd(log, ended)) runs.started(admitted);
}

function toStartRunView({ run }: Accepted): StartRunView {
  return {
    id: run.id,
    conversationId: run.conversation_id,
    status: run.status as RunStatus,
    streamUrl: `/api/v1/runs/${run.id}/stream`,
    eventsUrl: `/api/v1/runs/${run.id}/events`,
  };
}

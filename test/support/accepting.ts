// A run as a request makes it, with every setting settled, and its acceptance.
import type { PoolName } from '../../activities/store/allowances/allowances.ts';
import { type HeldPools, holdPools } from '../../activities/store/allowances/run-places.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { type Accepted, acceptRun } from '../../activities/store/lifecycle/accept-run.ts';
import type { Configuration, NewMessage } from '../../activities/store/lifecycle/write-run.ts';
import type { Write } from '../../activities/store/log/events.ts';
import type { Source, Sources } from '../../workflows/contracts/configuration.ts';
import { builtInVersion } from '../../workflows/policy/presets.ts';

/** Every setting has one source. */
export function sourcesOf(source: Source): Sources {
  const money = { costMicros: source, tokens: source, maxOutputTokens: source };
  const limits = { steps: source, seconds: source, ...money };
  const rest = {
    priority: source,
    owner: source,
    attended: source,
    overBudget: source,
    execMode: source,
    container: source,
    executor: source,
    workTree: source,
    externalTools: source,
  };
  return {
    preset: source,
    project: source,
    workspace: source,
    model: source,
    policy: source,
    ...rest,
    limits,
  };
}

/** A message with all that its run goes by. */
export interface NewRun extends NewMessage, Configuration {
  /** What it draws from beside the tenant's pool, its conversation's and its own. */
  pools?: readonly PoolName[];
}

export async function acceptARun(write: Write, input: NewRun, held?: HeldPools): Promise<Accepted> {
  return acceptRun(write, input, {
    configure: async () => input,
    held: held ?? (await holdPools(write.tx, { ...input, others: input.pools ?? [] })),
    mayBegin: () => undefined,
  });
}

export function aRun(changes: Partial<NewRun> = {}): NewRun {
  const { policy = 'trusted-mount-autonomous' } = changes;
  return {
    tenantId: defaultTenant,
    prompt: 'Say hello.',
    model: 'scripted/hello',
    policy,
    policyScopes: [{ scope: 'run', id: policy, version: builtInVersion }],
    priority: 'normal',
    projectPath: null,
    workspace: null,
    limits: { steps: 200, seconds: 3600, costMicros: 50_000_000, tokens: 50_000_000 },
    saidLimits: {},
    stall: null,
    metadata: {},
    whenBusy: 'reject',
    attended: false,
    // So that a run that asks for money waits and can be looked at.
    overBudget: 'pause',
    execMode: 'mount',
    executor: null,
    container: null,
    workTree: 'in-place',
    bringsHome: false,
    mayWrite: true,
    acceptNoContainment: false,
    externalTools: [],
    preset: null,
    instructions: null,
    owner: null,
    sources: sourcesOf('instance'),
    requestId: 'request-1',
    by: 'test',
    ...changes,
  };
}

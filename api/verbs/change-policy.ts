// Policy profiles of one's own: made, copied, changed in versions, taken away.
import * as store from '../../activities/store/policies/policies.ts';
import { Failure, found } from '../../workflows/contracts/failures.ts';
import type {
  CreatePolicyBody,
  CustomisePolicyBody,
  PolicyProfile,
  PolicyView,
  UpdatePolicyBody,
} from '../../workflows/contracts/policy.ts';
import { namedProfileProblem, withNamedHosts } from './named-hosts.ts';
import { readPolicyFile } from '../policy-file.ts';
import { actorOf, type Verb, type VerbParts } from './verb.ts';

export const createPolicy: Verb<CreatePolicyBody, PolicyView> = async (parts, write, caller, body) => {
  const profile = profileOf(parts, body);
  requireFreeId(profile.id);
  const stored = await store.createPolicy(write, profile, actorOf(caller));
  return { body: store.toPolicyView(stored) };
};

type Copy = CustomisePolicyBody & { policyId: string };

/** A copy under an id of its own, to be changed. */
export const customisePolicy: Verb<Copy, PolicyView> = async (
  _parts,
  write,
  caller,
  { policyId, id, name },
) => {
  requireFreeId(id);
  const stored = await store.findPolicy(write.tx, caller.tenantId, policyId);
  const { profile } = found(stored, `policy ${policyId}`);
  const copy = { ...profile, id, name: name ?? `${profile.name} (copy)`.slice(0, 100) };
  return { body: store.toPolicyView(await store.createPolicy(write, copy, actorOf(caller))) };
};

type Update = UpdatePolicyBody & { policyId: string };

/** Another version; runs go on with the one they began with. */
export const updatePolicy: Verb<Update, PolicyView> = async (parts, write, caller, { policyId, ...body }) => {
  const profile = profileOf(parts, body);
  if (profile.id !== policyId)
    throw new Failure('InvalidInput', `The id of a profile stays: ${policyId}, not ${profile.id}.`);
  const stored = await store.updatePolicy(write, profile, body.version, actorOf(caller));
  return { body: store.toPolicyView(stored) };
};

type Delete = { policyId: string; version: number };

export const deletePolicy: Verb<Delete, undefined> = async (_parts, write, caller, { policyId, version }) => {
  await store.deletePolicy(write, policyId, version, actorOf(caller));
  return { body: undefined };
};

// Below /policies these are other routes.
const takenIds = ['place', 'places', 'evaluate', 'backtest'];

function requireFreeId(policyId: string): void {
  if (takenIds.includes(policyId))
    throw new Failure('InvalidInput', `No policy can be called ${policyId}; use another id.`);
}

/** The profile of a body, which may be a YAML file; refused with a sentence that names the rule. */
function profileOf(
  { networks }: Pick<VerbParts, 'networks'>,
  body: { profile: PolicyProfile } | { yaml: string },
): PolicyProfile {
  if ('yaml' in body) {
    const read = readPolicyFile(body.yaml, networks);
    if ('problem' in read) throw new Failure('InvalidInput', read.problem);
    return read.profile;
  }
  const wrong = namedProfileProblem(body.profile, networks);
  if (wrong) throw new Failure('InvalidInput', wrong.problem);
  return withNamedHosts(body.profile, networks);
}

// Where a policy applies besides a run's own: in a project or everywhere; and taking back a remembered answer.
import * as store from '../../activities/store/policies/policy-scopes.ts';
import type { PolicyPlaceBody } from '../../workflows/contracts/policy.ts';
import { byOf, type Verb } from './verb.ts';

export const applyPolicy: Verb<PolicyPlaceBody, PolicyPlaceBody> = async (
  parts,
  write,
  caller,
  { project, policy },
) => {
  const change = { tenantId: caller.tenantId, by: byOf(caller) };
  if (project === undefined) {
    await store.applyPolicy(write, { scope: 'global', key: '' }, policy, change);
    return { body: { policy } };
  }
  const key = await parts.realPath(project);
  await store.applyPolicy(write, { scope: 'project', key }, policy, change);
  return { body: { project: key, policy } };
};

export const forgetAnswer: Verb<{ answerId: string }, undefined> = async (
  _parts,
  write,
  caller,
  { answerId },
) => {
  await store.forgetAnswer(write, answerId, { tenantId: caller.tenantId, by: byOf(caller) });
  return { body: undefined };
};

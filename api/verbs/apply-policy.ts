// Where a policy applies besides a run's own: in a project or everywhere; and taking back a remembered answer.
import * as store from '../../activities/store/policies/policy-scopes.ts';
import type { PolicyPlaceBody } from '../../workflows/contracts/policy.ts';
import { actorOf, type Verb } from './verb.ts';

type Place = PolicyPlaceBody;

export const applyPolicy: Verb<Place, Place> = async (parts, write, caller, { project, policy }) => {
  if (project === undefined) {
    await store.applyPolicy(write, { scope: 'global', key: '' }, policy, actorOf(caller));
    return { body: { policy } };
  }
  const key = await parts.realPath(project);
  await store.applyPolicy(write, { scope: 'project', key }, policy, actorOf(caller));
  return { body: { project: key, policy } };
};

export const forgetAnswer: Verb<{ answerId: string }, undefined> = async (_parts, write, caller, input) => {
  await store.forgetAnswer(write, input.answerId, actorOf(caller));
  return { body: undefined };
};

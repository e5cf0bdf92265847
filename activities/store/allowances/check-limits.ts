// What is wrong with limits that are to be set, as one sentence. Limits that would be stored and never hold are
// refused.
import type { ChangeAllowanceBody } from '../../../workflows/contracts/allowance.ts';
import { ownerKey } from '../../../workflows/contracts/fields.ts';

// As ids are written here: another spelling of the same id is another name, and nothing draws from it.
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const aModel = /^[a-z0-9-]+\/\S+$/;

/** Callers ask before they change anything. */
export function limitsProblem({
  name,
  model,
  limits,
}: Required<Pick<ChangeAllowanceBody, 'name' | 'model' | 'limits'>>): string | undefined {
  const problem = nameProblem(name) ?? amountProblem(limits);
  if (problem !== undefined) return problem;
  const unknown = limits.models?.find((one) => !aModel.test(one));
  if (unknown !== undefined)
    return `models has "${unknown}", which no model is called: write provider/model or provider/*.`;
  const [ofRuns] = (['runSeconds', 'concurrentRuns', 'dayRuns'] as const).filter((limit) => limits[limit]);
  if (model !== '' && ofRuns) return `${ofRuns} limits runs; a pool of one model's calls cannot have it.`;
  if (name.startsWith('run/') && ofRuns)
    return `${ofRuns} is looked at before a run has its id; set it for tenant, the conversation or an owner.`;
  if (model !== '' && limits.models && limits.models.length > 0)
    return "models cannot be listed in a pool of one model's calls.";
  return undefined;
}

function nameProblem(name: string): string | undefined {
  if (name === 'tenant') return undefined;
  const [, kind, key = ''] = /^(conversation|run|owner|executor)\/(.+)$/s.exec(name) ?? [];
  if (kind === undefined)
    return `"${name}" is no pool: write tenant, conversation/<id>, run/<id>, owner/<anything> or executor/<name>.`;
  if (kind === 'conversation' || kind === 'run')
    return uuid.test(key)
      ? undefined
      : `name must be ${kind}/ and the id of a ${kind} as the API writes it, a UUID; "${key}" is none.`;
  const owner = ownerKey.safeParse(key);
  if (owner.success) return undefined;
  const given = kind === 'owner' ? 'what runs give as their owner' : 'the name of an executor';
  return `name must be ${kind}/ and ${given}, which ${owner.error.issues[0]?.message}.`;
}

function amountProblem(limits: ChangeAllowanceBody['limits']): string | undefined {
  for (const [limit, value] of Object.entries(limits)) {
    // Integers stay exact in JSON and JavaScript up to 2^53.
    if (typeof value === 'number' && !(Number.isSafeInteger(value) && value >= 0))
      return `${limit} must be a whole number from 0, which is unlimited, to ${Number.MAX_SAFE_INTEGER}.`;
  }
  return undefined;
}

// Setting limits of a pool, or making one; runs that wait for what is raised go on by themselves.
import { changeLimits } from '../../activities/store/allowances/change-limits.ts';
import { limitsProblem } from '../../activities/store/allowances/check-limits.ts';
import { listAllowances } from '../../activities/store/allowances/list-allowances.ts';
import type { PoolName } from '../../activities/store/allowances/allowances.ts';
import { addAudit } from '../../activities/store/access/audit.ts';
import { answerRaised } from '../../activities/store/approvals/money-questions.ts';
import { givePlaces } from '../../activities/store/lifecycle/after-end.ts';
import type { Write } from '../../activities/store/log/events.ts';
import type { AllowanceView, ChangeAllowanceBody } from '../../workflows/contracts/allowance.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { present } from '../present.ts';
import { actorOf, type Verb } from './verb.ts';

export const changeAllowance: Verb<ChangeAllowanceBody, AllowanceView> = async (
  parts,
  write,
  caller,
  { name, model = '', limits, version, reason: given },
) => {
  const { tenantId, by } = actorOf(caller);
  const wanted = { name: name as PoolName, model, limits: present(limits) };
  const problem = limitsProblem(wanted);
  if (problem !== undefined) throw new Failure('InvalidInput', problem);
  const reason = parts.redact(given);
  const changed = await changeLimits(write.tx, { ...wanted, tenantId, version, by, reason });
  if (changed.kind === 'stale') throw stale(name, changed.version);
  const resumed = await answerRaised(write, changed, { tenantId, by, reason });
  await addAudit(write, [
    {
      tenantId,
      actor: by,
      action: version === 0 ? 'allowance-create' : 'allowance-change',
      reason,
      detail: { name, model, limits, version: changed.version },
    },
  ]);
  return {
    body: await viewOf(write, tenantId, wanted.name, changed.id),
    async after() {
      for (const runId of resumed) parts.runs.wake(runId);
      for (const run of await givePlaces(parts.log, tenantId)) parts.runs.started(run);
    },
  };
};

function stale(name: string, version: number): Failure {
  const detail =
    version === 0
      ? `There is no allowance ${name} for that model; send version 0 to make it.`
      : `The allowance ${name} is at version ${version}; read it again before you change it.`;
  return new Failure('VersionStale', detail, { version });
}

async function viewOf(write: Write, tenantId: string, name: PoolName, id: string): Promise<AllowanceView> {
  // A pool of a name for all models and one for each of some: as many as people make by hand.
  const pools = await listAllowances(write.tx, { tenantId, name, limit: 1000 });
  const pool = pools.find((one) => one.id === id);
  if (!pool) throw new Error(`The allowance ${name} is gone.`);
  return pool;
}

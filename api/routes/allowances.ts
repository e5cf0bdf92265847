// Allowances: the pools runs draw from, and changing their limits. Reading tells nobody anything.
import type { FastifyRequest } from 'fastify';
import { givePlaces } from '../../activities/store/lifecycle/after-end.ts';
import { changeLimits } from '../../activities/store/allowances/change-limits.ts';
import { type Limits, listAllowances } from '../../activities/store/allowances/list-allowances.ts';
import type { PoolName } from '../../activities/store/allowances/allowances.ts';
import { addAudit } from '../../activities/store/access/audit.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { limitsProblem } from '../../activities/store/allowances/check-limits.ts';
import { answerRaised } from '../../activities/store/approvals/money-questions.ts';
import {
  AllowanceListQuery,
  AllowanceListView,
  AllowanceView,
  ChangeAllowanceBody,
} from '../../workflows/contracts/allowance.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { Parts, Routes } from '../parts.ts';
import type { Outcome } from '../plugins/idempotency.ts';
import { idCursor, toPage, usualLimit } from './paging.ts';
import { problems } from './problems.ts';

export const allowanceRoutes: Routes = (api, parts) => {
  const { db } = parts.log;

  api.get(
    '/allowances',
    {
      schema: {
        tags: ['allowances'],
        operationId: 'listAllowances',
        summary: 'The pools runs draw from: their limits, what is used and what is held',
        querystring: AllowanceListQuery,
        response: { 200: AllowanceListView, ...problems },
      },
    },
    async (request) => {
      const { limit = usualLimit, cursor, name } = request.query;
      const after = idCursor(cursor);
      const rows = await listAllowances(db, {
        tenantId: request.caller.tenantId,
        limit,
        ...(after !== undefined && { after }),
        ...(name !== undefined && { name: name as PoolName }),
      });
      return toPage(rows, limit, { toView: (row) => row, toCursor: (row) => row.id });
    },
  );

  api.put(
    '/allowances',
    {
      schema: {
        tags: ['allowances'],
        operationId: 'changeAllowance',
        summary: 'Set limits of a pool, or make one; runs that wait for what is raised go on by themselves',
        body: ChangeAllowanceBody,
        response: { 200: AllowanceView, ...problems },
      },
    },
    (request, reply) => parts.mutate(request, reply, (write) => change(parts, write, request, request.body)),
  );
};

async function change(
  parts: Parts,
  write: Write,
  request: FastifyRequest,
  { name, model = '', limits, version, reason: given }: ChangeAllowanceBody,
): Promise<Outcome> {
  const { tenantId, by } = request.caller;
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
    status: 200,
    body: await viewOf(write, tenantId, wanted.name, changed.id),
    async after() {
      for (const runId of resumed) parts.runs.wake(runId);
      for (const run of await givePlaces(parts.log, tenantId)) parts.runs.started(run);
    },
  };
}

function stale(name: string, version: number): Failure {
  const detail =
    version === 0
      ? `There is no allowance ${name} for that model; send version 0 to make it.`
      : `The allowance ${name} is at version ${version}; read it again before you change it.`;
  return new Failure('VersionStale', detail, { version });
}

async function viewOf(write: Write, tenantId: string, name: PoolName, id: string): Promise<AllowanceView> {
  // A pool of a name for all models and one for each of some: as many as somebody makes by hand.
  const pools = await listAllowances(write.tx, { tenantId, name, limit: 1000 });
  const pool = pools.find((one) => one.id === id);
  if (!pool) throw new Error(`The allowance ${name} is gone.`);
  return pool;
}

/** Without the fields that are there and undefined. */
function present(limits: ChangeAllowanceBody['limits']): Partial<Limits> {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
}

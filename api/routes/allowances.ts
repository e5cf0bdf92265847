// Allowances: the pools runs draw from, and changing their limits.
import { listAllowances } from '../../activities/store/allowances/list-allowances.ts';
import type { PoolName } from '../../activities/store/allowances/allowances.ts';
import {
  AllowanceListQuery,
  AllowanceListView,
  AllowanceView,
  ChangeAllowanceBody,
} from '../../workflows/contracts/allowance.ts';
import type { Routes } from '../parts.ts';
import { takeIfMatch } from '../plugins/if-match.ts';
import { changeAllowance } from '../verbs/change-allowance.ts';
import { pageExample } from './examples.ts';
import { byId, pageOf } from './paging.ts';
import { problems, refusals } from './problems.ts';

const allowance = {
  id: '0193d5a0-7a10-7c33-8d21-0b6f4f1f2a01',
  name: 'tenant',
  model: '',
  version: 1,
  limits: {
    runSeconds: 0,
    concurrentRuns: 0,
    dayRuns: 0,
    hourCalls: 0,
    tokens: 0,
    costMicros: 0,
    dayTokens: 0,
    dayCostMicros: 25_000_000,
    models: [],
  },
  used: {
    concurrentRuns: 1,
    dayRuns: 12,
    hourCalls: 0,
    tokens: 164_400,
    costMicros: 410_000,
    dayTokens: 164_400,
    dayCostMicros: 410_000,
  },
  held: { tokens: 33_000, costMicros: 60_000, dayTokens: 33_000, dayCostMicros: 60_000 },
};

export const allowanceRoutes: Routes = (api, parts) => {
  const { db } = parts;

  api.get(
    '/allowances',
    {
      config: { example: { answer: pageExample(allowance) } },
      schema: {
        tags: ['allowances'],
        operationId: 'listAllowances',
        summary: 'The pools runs draw from: their limits, what is used and what is held',
        description:
          'An allowance counts what runs use of money, tokens, model calls and places. Use `name` for one of them.',
        querystring: AllowanceListQuery,
        response: { 200: AllowanceListView, ...problems },
      },
    },
    async ({ query: { name, ...query }, caller: { tenantId } }) => {
      const only = name === undefined ? {} : { name: name as PoolName };
      return pageOf(
        query,
        byId,
        (page) => listAllowances(db, { tenantId, ...only, ...page }),
        (row) => row,
      );
    },
  );

  api.put(
    '/allowances',
    {
      preValidation: takeIfMatch,
      config: {
        example: {
          body: {
            name: 'tenant',
            model: '',
            limits: { dayCostMicros: 50_000_000 },
            version: 1,
            reason: 'A busy week.',
          },
          answer: { ...allowance, version: 2, limits: { ...allowance.limits, dayCostMicros: 50_000_000 } },
        },
      },
      schema: {
        tags: ['allowances'],
        operationId: 'changeAllowance',
        summary: 'Set limits of a pool, or make one; runs that wait for what is raised go on by themselves',
        description: 'Limits that are left out stay as they are. `reason` is kept in the ledger.',
        body: ChangeAllowanceBody,
        response: { 200: AllowanceView, ...problems, ...refusals('VersionStale') },
      },
    },
    (request, reply) => parts.mutate(request, reply, changeAllowance, request.body),
  );
};

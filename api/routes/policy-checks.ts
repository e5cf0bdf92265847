// What a policy would decide, before anything depends on it: of calls that are made up, and of those that were made.
import type { FastifyRequest } from 'fastify';
import { resolveScopes } from '../../activities/store/policy-scopes.ts';
import { storedCalls } from '../../activities/store/stored-calls.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import {
  BacktestBody,
  BacktestView,
  EvaluateBody,
  EvaluateView,
  type PolicyProfile,
} from '../../workflows/contracts/policy.ts';
import { createBacktest, preview } from '../../workflows/policy/backtest.ts';
import type { PolicyScope } from '../../workflows/policy/evaluate.ts';
import { defaultProfile } from '../../workflows/policy/presets.ts';
import { profileProblem } from '../../workflows/policy/profile-problem.ts';
import type { Parts, Routes } from '../parts.ts';
import { policyPlaceOf } from './accepting.ts';
import { problems } from './problems.ts';

const usualDays = 7;
const dayMs = 86_400_000;
// About two seconds of work in pieces of a few milliseconds; more calls say nothing more.
const mostCalls = 20_000;

export const policyCheckRoutes: Routes = (api, parts) => {
  api.post(
    '/policies/evaluate',
    {
      schema: {
        tags: ['policies'],
        operationId: 'evaluatePolicy',
        summary:
          'What would be decided for these calls, by which rule, why, and what the next rules would say',
        description:
          'Changes nothing and makes no call. Without `policy` and `draft`: what a new run would get.',
        body: EvaluateBody,
        response: { 200: EvaluateView, ...problems },
      },
    },
    async (request) => {
      const { project, mode = null, attended = false, calls } = request.body;
      const projectRoot = project?.path ?? null;
      const scopes = await scopesFor(parts, request, request.body)(projectRoot);
      const context = { projectRoot, mode, attended, now: new Date() };
      return {
        items: calls.map((call) => {
          const described = parts.describeCall(call);
          if ('problem' in described) {
            return { tool: call.tool, subject: '', effect: null, problem: described.problem, decision: null };
          }
          const [decision = null] = preview(scopes, [described], context);
          const { tool, subject, effect } = described;
          return { tool, subject, effect, problem: null, decision };
        }),
      };
    },
  );

  api.post(
    '/policies/backtest',
    {
      schema: {
        tags: ['policies'],
        operationId: 'backtestPolicy',
        summary: 'What of the last days would have been decided otherwise, grouped',
        description: `Decides at most ${mostCalls.toLocaleString('en')} stored calls again. Changes nothing.`,
        body: BacktestBody,
        response: { 200: BacktestView, ...problems },
      },
    },
    async (request) => {
      const { days = usualDays } = request.body;
      const now = new Date();
      const since = new Date(now.getTime() - days * dayMs);
      const scopesOf = scopesFor(parts, request, request.body);
      const backtest = createBacktest(now);
      const { tenantId } = request.caller;
      let read = 0;
      // One more than is decided tells that there are more.
      for await (const call of storedCalls(parts.log.db, { tenantId, since, limit: mostCalls + 1 })) {
        read += 1;
        if (read <= mostCalls) backtest.add(call, await scopesOf(call.projectRoot));
      }
      return { ...backtest.result(), since: since.toISOString(), truncated: read > mostCalls };
    },
  );
};

/** The profiles that would apply in a project, each asked for once. */
function scopesFor(
  parts: Parts,
  request: FastifyRequest,
  { policy, draft }: { policy?: string | undefined; draft?: PolicyProfile | undefined },
): (projectPath: string | null) => Promise<PolicyScope[]> {
  if (policy !== undefined && draft !== undefined)
    throw new Failure('InvalidInput', 'Give policy, the id of a stored one, or draft; not both.');
  const wrong = draft && profileProblem(draft);
  if (wrong) throw new Failure('InvalidInput', wrong.problem);
  const known = new Map<string | null, Promise<PolicyScope[]>>();

  async function resolve(projectPath: string | null): Promise<PolicyScope[]> {
    const place = await policyPlaceOf(parts, projectPath);
    const choice = { policy, draft, projectPath: place, fallback: defaultProfile };
    const resolved = await resolveScopes(parts.log.db, request.caller.tenantId, choice);
    if (!resolved) throw new Failure('UnknownPolicy', `There is no policy ${policy ?? defaultProfile}.`);
    const { refs, profiles } = resolved;
    return refs.map(({ scope, version }, index) => ({ scope, profile: profiles[index], version }));
  }

  return (projectPath) => {
    const scopes = known.get(projectPath) ?? resolve(projectPath);
    known.set(projectPath, scopes);
    return scopes;
  };
}

// What a policy would decide, before anything depends on it: of calls that are made up, and of those that were made.
import { setImmediate } from 'node:timers/promises';
import type { FastifyRequest } from 'fastify';
import {
  placeOfProject,
  rememberedFor,
  resolveScopes,
} from '../../activities/store/policies/policy-scopes.ts';
import { storedCalls } from '../../activities/store/calls/stored-calls.ts';
import { otherText } from '../../workflows/contracts/call.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import {
  BacktestBody,
  BacktestView,
  EvaluateBody,
  EvaluateView,
  type PolicyProfile,
} from '../../workflows/contracts/policy.ts';
import { type Applying, createBacktest, preview } from '../../workflows/policy/backtest.ts';
import { defaultProfileOf } from '../../workflows/policy/presets.ts';
import { namedProfileProblem, withNamedHosts } from '../verbs/named-hosts.ts';
import type { Parts, Routes } from '../parts.ts';
import { profileExample, runId } from './examples.ts';
import { problems } from './problems.ts';

const usualDays = 7;
const dayMs = 86_400_000;
// About two seconds of work in pieces of a few milliseconds; more calls say nothing more.
const mostCalls = 20_000;

const asked = {
  ...{ scope: 'run', profileId: 'shop', profileVersion: 1, ruleIndex: null, ruleText: 'no rule matches' },
  ...{ decision: 'deny', original: 'ask', part: 'npm publish', next: [] },
  reason: 'no rule of shop matches, and then default mode asks about execute, and nobody is there to ask',
};
const group = {
  ...{ tool: 'shell', effect: 'execute', from: 'allow', to: 'ask', ruleIndex: null, calls: 12 },
  ...{
    ruleText: 'no rule matches',
    reason: 'no rule of shop matches, and then default mode asks about execute',
  },
  examples: [{ runId, callId: '3.0', subject: 'npm publish' }],
};

const evaluated = {
  body: { policy: 'shop', calls: [{ tool: 'shell', input: { command: 'npm publish' } }] },
  answer: {
    items: [
      {
        tool: 'shell',
        subject: 'npm publish',
        runs: null,
        effect: 'execute',
        problem: null,
        decision: asked,
      },
    ],
  },
};
const backtested = {
  body: { draft: profileExample, days: 7 },
  answer: {
    ...{ calls: 340, changed: 12, skipped: 2, groups: [group], truncated: false },
    since: '2026-02-03T10:15:00.000Z',
  },
};

export const policyCheckRoutes: Routes = (api, parts) => {
  api.post(
    '/policies/evaluate',
    {
      config: { example: evaluated },
      schema: {
        tags: ['policies'],
        operationId: 'evaluatePolicy',
        summary:
          'What would be decided for these calls, by which rule, why, and what the next rules would say',
        description:
          'Changes nothing and makes no call. Without `policy` and `draft`: what a new run would get. What people ' +
          'had remembered for the project or everywhere counts.',
        body: EvaluateBody,
        response: { 200: EvaluateView, ...problems },
      },
    },
    async (request) => {
      const { project, mode = null, attended = false, calls } = request.body;
      const projectRoot = project?.path ?? null;
      const applying = await applyingFor(parts, request, request.body)(projectRoot);
      const context = { projectRoot, mode, attended, now: new Date() };
      const items: EvaluateView['items'] = [];
      for (const call of calls) {
        // One call may take a second in the worst case; others get their turn in between.
        await setImmediate();
        const described = parts.describeCall(call);
        if ('problem' in described) {
          const { problem } = described;
          items.push({ tool: call.tool, subject: '', runs: null, effect: null, problem, decision: null });
          continue;
        }
        const { tool, subject, effect } = described;
        const { runs, ...decision } = preview(applying, described, context);
        items.push({ tool, subject, runs: otherText(subject, runs), effect, problem: null, decision });
      }
      return { items };
    },
  );

  api.post(
    '/policies/backtest',
    {
      config: { example: backtested },
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
      const applyingTo = applyingFor(parts, request, request.body);
      const backtest = createBacktest(now);
      const { tenantId } = request.caller;
      let read = 0;
      // One more than is decided tells that there are more.
      for await (const call of storedCalls(parts.db, { tenantId, since, limit: mostCalls + 1 })) {
        read += 1;
        if (read > mostCalls) break;
        await setImmediate();
        backtest.add(call, await applyingTo(call.projectRoot, call.runId));
      }
      return { ...backtest.result(), since: since.toISOString(), truncated: read > mostCalls };
    },
  );
};

interface Choice {
  policy?: string | undefined;
  draft?: PolicyProfile | undefined;
  attended?: boolean | undefined;
}

/** What would apply in a project, read once for each, and to a past run. */
function applyingFor(
  parts: Parts,
  request: FastifyRequest,
  { policy, draft: written, attended }: Choice,
): (projectPath: string | null, runId?: string) => Promise<Applying> {
  if (policy !== undefined && written !== undefined)
    throw new Failure('InvalidInput', 'Give policy, the id of a stored one, or draft; not both.');
  const wrong = written && namedProfileProblem(written, parts.networks);
  if (wrong) throw new Failure('InvalidInput', wrong.problem);
  const draft = written && withNamedHosts(written, parts.networks);
  const { tenantId } = request.caller;
  const { db } = parts;
  const known = new Map<string | null, ReturnType<typeof resolve>>();
  let ofRun: { key: string; remembered: Applying['remembered'] } | undefined;

  async function resolve(projectPath: string | null) {
    const place = await placeOfProject(parts, projectPath);
    const fallback = defaultProfileOf({ attended });
    const resolved = await resolveScopes(db, tenantId, { policy, draft, projectPath: place, fallback });
    if (!resolved) throw new Failure('UnknownPolicy', `There is no policy ${policy ?? fallback}.`);
    const { refs, profiles } = resolved;
    const scopes = refs.map(({ scope, version }, index) => ({ scope, profile: profiles[index], version }));
    return { place, scopes };
  }

  return async (projectPath, runId = '') => {
    const resolving = known.get(projectPath) ?? resolve(projectPath);
    known.set(projectPath, resolving);
    const { place, scopes } = await resolving;
    // One run's calls are adjacent.
    const key = JSON.stringify([runId, place]);
    if (ofRun?.key !== key) {
      const run = { id: runId, tenant_id: tenantId, project_path: place };
      ofRun = { key, remembered: await rememberedFor(db, run) };
    }
    return { scopes, remembered: ofRun.remembered };
  };
}

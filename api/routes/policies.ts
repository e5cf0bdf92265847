// Policy profiles: built-in ones to read and copy, custom ones in versions.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  createPolicy,
  deletePolicy,
  findPolicy,
  listPolicies,
  type StoredPolicy,
  updatePolicy,
} from '../../activities/store/policies/policies.ts';
import type { Queries } from '../../activities/store/db/database.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { page } from '../../workflows/contracts/fields.ts';
import {
  CreatePolicyBody,
  CustomisePolicyBody,
  PolicyListView,
  PolicyProfile,
  PolicyView,
  UpdatePolicyBody,
} from '../../workflows/contracts/policy.ts';
import { profileProblem } from '../../workflows/policy/profile-problem.ts';
import type { Routes } from '../parts.ts';
import { readPolicyFile, writePolicyFile } from '../policy-file.ts';
import { invalidCursor, toPage, usualLimit } from './paging.ts';
import { problems } from './problems.ts';

const params = z.object({ id: PolicyProfile.shape.id });
const versionQuery = z.strictObject({
  version: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
});

export const policyRoutes: Routes = (api, parts) => {
  lookRoutes(api, parts);
  createRoutes(api, parts);
  changeRoutes(api, parts);
};

const lookRoutes: Routes = (api, parts) => {
  const { db } = parts.log;

  api.get(
    '/policies',
    {
      schema: {
        tags: ['policies'],
        operationId: 'listPolicies',
        summary: 'Policy profiles in their newest versions, built-in ones first',
        querystring: page,
        response: { 200: PolicyListView, ...problems },
      },
    },
    async (request) => {
      const { limit = usualLimit, cursor } = request.query;
      const { tenantId } = request.caller;
      const rows = await listPolicies(db, {
        tenantId,
        limit,
        after: cursor === undefined ? undefined : fromCursor(cursor),
      });
      return toPage(rows, limit, { toView: toPolicyView, toCursor });
    },
  );

  api.get(
    '/policies/:id',
    {
      schema: {
        tags: ['policies'],
        operationId: 'getPolicy',
        summary: 'One profile, in its newest version or an older one',
        params,
        querystring: versionQuery,
        response: { 200: PolicyView, ...problems },
      },
    },
    async (request) => toPolicyView(await policyOf(db, request, request.params.id, request.query.version)),
  );

  api.get(
    '/policies/:id/yaml',
    {
      schema: {
        tags: ['policies'],
        operationId: 'getPolicyFile',
        summary: 'The same as a YAML file',
        params,
        querystring: versionQuery,
        response: {
          200: { description: 'YAML', content: { 'application/yaml': { schema: z.string() } } },
          ...problems,
        },
      },
    },
    async (request, reply) => {
      const { profile } = await policyOf(db, request, request.params.id, request.query.version);
      return reply.type('application/yaml; charset=utf-8').send(writePolicyFile(profile));
    },
  );
};

const createRoutes: Routes = (api, parts) => {
  api.post(
    '/policies',
    {
      schema: {
        tags: ['policies'],
        operationId: 'createPolicy',
        summary: 'A profile of your own; its examples must hold',
        body: CreatePolicyBody,
        response: { 201: PolicyView, ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) => {
        const profile = profileOf(request.body);
        requireFreeId(profile.id);
        const stored = await createPolicy(write, profile, request.caller);
        return { status: 201, body: toPolicyView(stored) };
      }),
  );

  api.post(
    '/policies/:id/customise',
    {
      schema: {
        tags: ['policies'],
        operationId: 'customisePolicy',
        summary: 'A copy of a profile under an id of your own, to be changed',
        params,
        body: CustomisePolicyBody,
        response: { 201: PolicyView, ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) => {
        requireFreeId(request.body.id);
        const { profile } = await policyOf(write.tx, request, request.params.id);
        const name = request.body.name ?? `${profile.name} (copy)`.slice(0, 100);
        const stored = await createPolicy(write, { ...profile, id: request.body.id, name }, request.caller);
        return { status: 201, body: toPolicyView(stored) };
      }),
  );
};

const changeRoutes: Routes = (api, parts) => {
  api.put(
    '/policies/:id',
    {
      schema: {
        tags: ['policies'],
        operationId: 'updatePolicy',
        summary: 'Another version of a profile of your own; runs go on with the version they began with',
        params,
        body: UpdatePolicyBody,
        response: { 200: PolicyView, ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) => {
        const profile = profileOf(request.body);
        if (profile.id !== request.params.id) {
          throw new Failure(
            'InvalidInput',
            `The id of a profile stays: ${request.params.id}, not ${profile.id}.`,
          );
        }
        const stored = await updatePolicy(write, profile, request.body.version, request.caller);
        return { status: 200, body: toPolicyView(stored) };
      }),
  );

  api.delete(
    '/policies/:id',
    {
      schema: {
        tags: ['policies'],
        operationId: 'deletePolicy',
        summary: 'Take a profile of your own away; runs that began with it go on',
        params,
        querystring: z.strictObject({ version: z.coerce.number().int().min(1) }),
        response: { 204: z.null(), ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) => {
        await deletePolicy(write, request.params.id, request.query.version, request.caller);
        return { status: 204 };
      }),
  );
};

// Below /policies they mean something else.
const takenIds = ['place', 'remembered', 'evaluate', 'backtest'];

function requireFreeId(policyId: string): void {
  if (takenIds.includes(policyId))
    throw new Failure('InvalidInput', `No policy can be called ${policyId}; use another id.`);
}

// Built-in ones come first, so the id alone does not say where a page ends.
function toCursor({ profile, builtIn }: StoredPolicy): string {
  return `${builtIn ? 'built-in' : 'own'}:${profile.id}`;
}

function fromCursor(cursor: string): { builtIn: boolean; id: string } {
  const [, kind, id] = /^(built-in|own):(.+)$/.exec(cursor) ?? [];
  if (id === undefined || !PolicyProfile.shape.id.safeParse(id).success) throw invalidCursor();
  return { builtIn: kind === 'built-in', id };
}

function toPolicyView({ profile, version, builtIn }: StoredPolicy): PolicyView {
  return { ...profile, version, builtIn };
}

/** In its newest version unless another one is named. */
export async function policyOf(
  queries: Queries,
  request: FastifyRequest,
  policyId: string,
  version?: number,
): Promise<StoredPolicy> {
  const stored = await findPolicy(queries, request.caller.tenantId, policyId, version);
  if (stored) return stored;
  const which = version === undefined ? policyId : `${policyId} in version ${version}`;
  throw new Failure('NotFound', `There is no policy ${which}.`);
}

/** The profile of a body, which may be a YAML file; refused with a sentence that names the rule. */
function profileOf(body: { profile: PolicyProfile } | { yaml: string }): PolicyProfile {
  if ('yaml' in body) {
    const read = readPolicyFile(body.yaml);
    if ('problem' in read) throw new Failure('InvalidInput', read.problem);
    return read.profile;
  }
  const wrong = profileProblem(body.profile);
  if (wrong) throw new Failure('InvalidInput', wrong.problem);
  return body.profile;
}

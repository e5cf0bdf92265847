// Policy profiles: built-in ones to read and copy, custom ones in versions.
import { z } from 'zod';
import {
  findPolicy,
  listPolicies,
  type StoredPolicy,
  toPolicyView,
} from '../../activities/store/policies/policies.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { page } from '../../workflows/contracts/fields.ts';
import {
  CreatePolicyBody,
  CustomisePolicyBody,
  PolicyListView,
  PolicyProfile,
  PolicyView,
  UpdatePolicyBody,
} from '../../workflows/contracts/policy.ts';
import type { Routes } from '../parts.ts';
import { writePolicyFile } from '../policy-file.ts';
import { takeIfMatch } from '../plugins/if-match.ts';
import { createPolicy, customisePolicy, deletePolicy, updatePolicy } from '../verbs/change-policy.ts';
import { pageExample, profileExample } from './examples.ts';
import { builtInFirst, pageOf } from './paging.ts';
import { problems, refusals } from './problems.ts';

const params = z.object({ id: PolicyProfile.shape.id });
const versionQuery = z.strictObject({
  version: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
});

const example = { ...profileExample, version: 1, builtIn: false };

export const policyRoutes: Routes = (api, parts) => {
  lookRoutes(api, parts);
  createRoutes(api, parts);
  changeRoutes(api, parts);
};

const lookRoutes: Routes = (api, parts) => {
  const { db } = parts;

  /** In its newest version unless another one is named. */
  async function policyOf(tenantId: string, policyId: string, version?: number): Promise<StoredPolicy> {
    const which = version === undefined ? policyId : `${policyId} in version ${version}`;
    return found(await findPolicy(db, tenantId, policyId, version), `policy ${which}`);
  }

  api.get(
    '/policies',
    {
      config: { example: { answer: pageExample(example) } },
      schema: {
        tags: ['policies'],
        operationId: 'listPolicies',
        summary: 'Policy profiles in their newest versions, built-in ones first',
        description: 'A policy profile is a list of rules that decide what a run may do.',
        querystring: page,
        response: { 200: PolicyListView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) =>
      pageOf(
        query,
        builtInFirst,
        async (asked) => (await listPolicies(db, { tenantId, ...asked })).map(toPolicyView),
        (view) => view,
      ),
  );

  api.get(
    '/policies/:id',
    {
      config: { example: { answer: example } },
      schema: {
        tags: ['policies'],
        operationId: 'getPolicy',
        summary: 'One profile, in its newest version or an older one',
        description: '`version` asks for an older one.',
        params,
        querystring: versionQuery,
        response: { 200: PolicyView, ...problems },
      },
    },
    async ({ caller, params: { id }, query }, reply) => {
      const view = toPolicyView(await policyOf(caller.tenantId, id, query.version));
      reply.header('etag', `"${view.version}"`);
      return view;
    },
  );

  api.get(
    '/policies/:id/yaml',
    {
      schema: {
        tags: ['policies'],
        operationId: 'getPolicyFile',
        summary: 'The same as a YAML file',
        description: 'For keeping it in a repository; POST /policies takes the same fields as JSON.',
        params,
        querystring: versionQuery,
        response: {
          200: { description: 'YAML', content: { 'application/yaml': { schema: z.string() } } },
          ...problems,
        },
      },
    },
    async ({ caller, params: { id }, query }, reply) => {
      const { profile } = await policyOf(caller.tenantId, id, query.version);
      return reply.type('application/yaml; charset=utf-8').send(writePolicyFile(profile));
    },
  );
};

const createRoutes: Routes = (api, parts) => {
  api.post(
    '/policies',
    {
      config: { example: { body: { profile: profileExample }, answer: example } },
      schema: {
        tags: ['policies'],
        operationId: 'createPolicy',
        summary: 'A profile of your own; its examples must hold',
        description: 'It is refused when one of its examples is decided otherwise than it says.',
        body: CreatePolicyBody,
        response: { 201: PolicyView, ...problems, ...refusals('PolicyExists') },
      },
    },
    (request, reply) => parts.mutate(request, reply, createPolicy, request.body),
  );

  api.post(
    '/policies/:id/customise',
    {
      config: { example: { body: { id: 'shop', name: 'The shop' }, answer: example } },
      schema: {
        tags: ['policies'],
        operationId: 'customisePolicy',
        summary: 'A copy of a profile under an id of your own, to be changed',
        description: 'Built-in profiles cannot be changed; their copies can.',
        params,
        body: CustomisePolicyBody,
        response: { 201: PolicyView, ...problems, ...refusals('PolicyExists') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, customisePolicy, { ...request.body, policyId: request.params.id }),
  );
};

const changeRoutes: Routes = (api, parts) => {
  api.put(
    '/policies/:id',
    {
      preValidation: takeIfMatch,
      config: {
        example: { body: { version: 1, profile: profileExample }, answer: { ...example, version: 2 } },
      },
      schema: {
        tags: ['policies'],
        operationId: 'updatePolicy',
        summary: 'Another version of a profile of your own; runs go on with the version they began with',
        description:
          '`version`, or the header If-Match, is the version that you have seen: 409 when there is a newer one.',
        params,
        body: UpdatePolicyBody,
        response: { 200: PolicyView, ...problems, ...refusals('PolicyBuiltIn', 'VersionStale') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, updatePolicy, { ...request.body, policyId: request.params.id }),
  );

  api.delete(
    '/policies/:id',
    {
      schema: {
        tags: ['policies'],
        operationId: 'deletePolicy',
        summary: 'Take a profile of your own away; runs that began with it go on',
        description: 'Refused while it is applied to a project or everywhere.',
        params,
        querystring: z.strictObject({ version: z.coerce.number().int().min(1) }),
        response: { 204: z.null(), ...problems, ...refusals('PolicyBuiltIn', 'PolicyInUse', 'VersionStale') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, deletePolicy, {
        policyId: request.params.id,
        version: request.query.version,
      }),
  );
};

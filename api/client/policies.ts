// The part of the client about what runs may do: policy profiles and where they apply.
import type {
  CreatePolicyBody,
  EvaluateBody,
  EvaluateView,
  PolicyListView,
  PolicyPlaceBody,
  PolicyPlaceListView,
  PolicyView,
  UpdatePolicyBody,
} from '../../workflows/contracts/policy.ts';
import type { Transport } from './transport.ts';

export function policyCalls({ json, text }: Transport) {
  const of = (id: string): string => `/policies/${encodeURIComponent(id)}`;
  return {
    policies: (query?: { limit?: number; cursor?: string }) =>
      json<PolicyListView>('GET', '/policies', { query: { ...query } }),
    policy: (id: string) => json<PolicyView>('GET', of(id)),
    policyFile: (id: string) => text(`${of(id)}/yaml`),
    createPolicy: (body: CreatePolicyBody) => json<PolicyView>('POST', '/policies', { body }),
    updatePolicy: (id: string, body: UpdatePolicyBody) => json<PolicyView>('PUT', of(id), { body }),
    policyPlaces: () => json<PolicyPlaceListView>('GET', '/policies/places'),
    applyPolicy: (body: PolicyPlaceBody) => json<PolicyPlaceBody>('PUT', '/policies/place', { body }),
    evaluatePolicy: (body: EvaluateBody) => json<EvaluateView>('POST', '/policies/evaluate', { body }),
  };
}

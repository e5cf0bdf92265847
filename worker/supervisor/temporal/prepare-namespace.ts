// `temporal-cluster.ts` from a process that lives long: Temporal's client is 20 MB that it needs only now.
import { inChild } from '../../in-child.ts';
import type { TemporalPlace } from '../../temporal-connection.ts';
import type * as cluster from './temporal-cluster.ts';

const module = new URL('temporal-cluster.ts', import.meta.url);

export function prepareNamespace(
  place: TemporalPlace,
  namespace: string,
  joins = false,
): Promise<cluster.TemporalIdentity> {
  return inChild<typeof cluster, 'prepareNamespace'>(module, 'prepareNamespace', place, namespace, joins);
}

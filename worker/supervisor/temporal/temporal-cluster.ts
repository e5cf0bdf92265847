// What a Temporal server must have before we use it: our namespace and search attributes. And who it is, so that
// a data folder never meets another server than its own.
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import proto from '@temporalio/proto';
import { connectionOptions, type TemporalPlace } from '../../temporal-connection.ts';

export interface TemporalIdentity {
  clusterId: string;
  namespaceId: string;
}

const notFound = 5;
const alreadyExists = 6;

const searchAttributes = ['PerdureTenant', 'PerdureConversation', 'PerdureStatus'];

/** gRPC status codes are the border's own numbers: they are compared, never the texts. */
function hasStatus(error: unknown, code: number): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

async function namespaceId(connection: Connection, namespace: string): Promise<string | undefined> {
  try {
    const found = await connection.workflowService.describeNamespace({ namespace });
    return found.namespaceInfo?.id ?? undefined;
  } catch (error) {
    if (hasStatus(error, notFound)) return undefined;
    throw error;
  }
}

async function makeNamespace(connection: Connection, namespace: string): Promise<string> {
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      // A week: runs are looked at in Temporal's Web UI for days, and our own record is in Postgres.
      workflowExecutionRetentionPeriod: msToTs('7 days'),
    });
  } catch (error) {
    if (!hasStatus(error, alreadyExists)) throw error;
  }
  const made = await namespaceId(connection, namespace);
  if (made === undefined)
    throw new Error(`The namespace ${namespace} was made, but Temporal does not know it yet.`);
  return made;
}

async function addSearchAttributes(connection: Connection, namespace: string): Promise<void> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = searchAttributes.filter((name) => customAttributes[name] === undefined);
  if (missing.length === 0) return;
  const keyword = proto.temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD;
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, keyword])),
    });
  } catch (error) {
    // Another process that starts at the same time may have added them first.
    if (!hasStatus(error, alreadyExists)) throw error;
  }
}

/**
 * Makes what is missing and says who answered. May be called at every start and from several processes at once. `joins`:
 * the namespace is another installation's, and must be there.
 */
export async function prepareNamespace(
  place: TemporalPlace,
  namespace: string,
  joins = false,
): Promise<TemporalIdentity> {
  // A server that accepts and does not answer is frozen; five seconds tell it from a busy one.
  const connection = await Connection.connect({ ...connectionOptions(place), connectTimeout: 5_000 });
  try {
    return await connection.withDeadline(Date.now() + 15_000, async () => {
      const { clusterId } = await connection.workflowService.getClusterInfo({});
      const known = await namespaceId(connection, namespace);
      if (known === undefined && joins)
        throw new Error(`it has no namespace ${namespace}, so no server of Perdure has worked with it`);
      const id = known ?? (await makeNamespace(connection, namespace));
      await addSearchAttributes(connection, namespace);
      return { clusterId, namespaceId: id };
    });
  } finally {
    await connection.close();
  }
}

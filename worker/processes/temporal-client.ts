// How a process asks Temporal something. Apart from the workers, because their package is a third of a process's memory.
import { Client, Connection } from '@temporalio/client';
import { connectionOptions, type TemporalPlace } from '../temporal-connection.ts';

export type TemporalAddress = TemporalPlace & { temporalNamespace: string };

/** Connects lazily: an API process starts and accepts work while Temporal is away. */
export function openClient(settings: TemporalAddress): Client {
  const connection = Connection.lazy(connectionOptions(settings));
  return new Client({ connection, namespace: settings.temporalNamespace });
}

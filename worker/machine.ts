// What a worker here is among executors: its name, whose machine this is, and which data folder it has.
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import path from 'node:path';
import type { Config } from './config/config.ts';
import { keptKey } from './processes/kept-key.ts';

export function nameOf({ executorName }: Pick<Config, 'executorName'>): string {
  return executorName ?? hostname();
}

/** The name of the executor whose machine this is; null: the server's. */
export function machineOf(config: Pick<Config, 'workerOnly' | 'executorName'>): string | null {
  return config.workerOnly === 'on' ? nameOf(config) : null;
}

/** Names an installation on its machine: what two data folders have there is never mixed up, not even by equal paths. */
export function folderKey(dataFolder: string): string {
  const key = keptKey(path.join(dataFolder, 'sandbox-key'));
  return createHash('sha256').update(key).digest('hex').slice(0, 12);
}

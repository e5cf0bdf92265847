// Which Temporal server this data folder belongs to. With another one every run would look lost and be ended.
import { existsSync, readFileSync } from 'node:fs';
import type { TemporalIdentity } from './temporal-cluster.ts';
import { writeFileWhole } from '../../write-file-whole.ts';

/** One sentence when the server is another than the remembered one; remembers the first. */
export function temporalIdentityProblem(
  file: string,
  address: string,
  found: TemporalIdentity,
): string | undefined {
  if (!existsSync(file)) {
    writeFileWhole(file, `${JSON.stringify(found)}\n`);
    return undefined;
  }
  const known = JSON.parse(readFileSync(file, 'utf8')) as TemporalIdentity;
  if (known.clusterId === found.clusterId && known.namespaceId === found.namespaceId) return undefined;
  return `The Temporal server at ${address} is not the one this data folder has worked with, and its runs are unknown there: bring back the former server, or set PERDURE_DATA to another folder.`;
}

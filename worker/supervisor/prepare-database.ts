// `database-steps.ts` from a process that lives long: the store is 20 MB that it needs only now.
import type { Config } from '../config/config.ts';
import { inChild, inChildUntil } from '../in-child.ts';
import type * as steps from './database-steps.ts';

const module = new URL('database-steps.ts', import.meta.url);

/** `signal` ends it: a migration may take long, and is then as if it had not begun. */
export function prepareDatabase(
  data: steps.DataPaths,
  url: string,
  s3: Config['s3'],
  signal: AbortSignal,
): Promise<steps.PreparedDatabase> {
  const paths = { folder: data.folder, locationFile: data.locationFile };
  return inChildUntil<typeof steps, 'prepareDatabase'>(signal, module, 'prepareDatabase', paths, url, s3);
}

export function joinProblem(joining: steps.Joining, url: string): Promise<string | undefined> {
  return inChild<typeof steps, 'joinProblem'>(module, 'joinProblem', joining, url);
}

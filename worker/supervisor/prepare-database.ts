// `database-steps.ts` from a process that lives long: the store is 20 MB that it needs only now.
import { inChild } from '../in-child.ts';
import type * as steps from './database-steps.ts';

const module = new URL('database-steps.ts', import.meta.url);

export function prepareDatabase(data: steps.DataPaths, url: string): Promise<steps.PreparedDatabase> {
  const { folder, locationFile } = data;
  return inChild<typeof steps, 'prepareDatabase'>(module, 'prepareDatabase', { folder, locationFile }, url);
}

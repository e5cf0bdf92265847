// kill -9 of a process of this installation. The transaction is committed first: a request that comes again must not
// kill the successor, and the victim may be Postgres.
import type { EmbeddedDeps } from '../deps.ts';
import type { Verb } from './verb.ts';

type Kill = Pick<EmbeddedDeps, 'kill'> & { name: string };

export const killProcess: Verb<Kill, undefined> = async (_parts, _write, _caller, { kill, name }) => ({
  body: undefined,
  after: () => kill(name),
});

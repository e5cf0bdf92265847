// kill -9 of a process of this installation. The transaction is committed first: a request that comes again must not
// kill the successor, and the victim may be Postgres.
import type { Verb } from './verb.ts';

export interface Killer {
  /** kill -9. Throws a Failure when there is nothing of that name to kill. */
  kill(name: string): Promise<void>;
}

type Kill = Killer & { name: string };

export const killProcess: Verb<Kill, undefined> = async (_parts, _write, _caller, { kill, name }) => ({
  body: undefined,
  after: () => kill(name),
});

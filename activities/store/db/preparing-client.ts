// A connection on which every statement with parameters is prepared once: Postgres parses and plans it for the first
// run, and later ones, which are nearly all, only execute it. A transaction's begin, which says its name, travels with
// its first statement.
import type { Writable } from 'node:stream';
import pg from 'pg';
import { transactionName } from './transactions.ts';

/** Ends a statement that is a transaction's last: the commit goes out with it, and its locks wait for no answer. */
export const thenCommit = '-- then commit';

// Far more than there are statements here. Lists of values make texts of any length; those beyond are not kept.
const mostStatements = 500;

const names = new Map<string, string>();

function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= mostStatements) return known;
  const name = `s${names.size}`;
  names.set(text, name);
  return name;
}

// What the driver answers to a begin; no caller reads more of it.
const begun = { command: 'BEGIN', rowCount: null, oid: 0, fields: [], rows: [] } as const;

type Query = (...args: unknown[]) => Promise<unknown>;

export class PreparingClient extends pg.Client {
  // Only this lets a begin and the statement behind it go out in one write.
  private begins = false;
  // The answer to a commit that has gone out already.
  private committing: Promise<unknown> | undefined;

  constructor(config?: pg.ClientConfig) {
    super({ ...config, pipeline: true });
  }

  // The driver has a dozen overloads; only the one with a text and values counts.
  override query = ((...given: unknown[]): unknown => {
    const query = super.query.bind(this) as unknown as Query;
    const [text, values] = given;
    if (text === 'begin') {
      this.begins = true;
      return Promise.resolve(begun);
    }
    if (this.committing && (text === 'commit' || text === 'rollback')) {
      const committed = this.committing;
      this.committing = undefined;
      return committed;
    }
    const isLast = typeof text === 'string' && text.endsWith(thenCommit);
    if (!this.begins && !isLast) return send(query, given, text, values);
    const { stream } = (this as unknown as { connection: { stream: Writable } }).connection;
    stream.cork();
    // A connection that cannot begin cannot run the statement either, and that is told. Nothing may run outside of the
    // transaction it was meant for.
    if (this.begins) query(this.beginning()).catch(() => stream.destroy());
    this.begins = false;
    const sent = send(query, given, text, values);
    if (isLast) {
      // Behind a statement that failed, the commit rolls back.
      this.committing = query('commit');
      this.committing.catch(() => undefined);
    }
    stream.uncork();
    return sent;
  }) as pg.Client['query'];

  /** In one message, which costs nothing measurable; the server takes the name back with the end of the transaction. */
  private beginning(): string {
    const name = transactionName();
    if (name === undefined) return 'begin';
    const { connectionParameters } = this as unknown as { connectionParameters: pg.ClientConfig };
    const shown = `${connectionParameters.application_name} ${name}`;
    return `begin; set local application_name to ${pg.escapeLiteral(shown)}`;
  }
}

function send(query: Query, given: unknown[], text: unknown, values: unknown): Promise<unknown> {
  if (given.length !== 2 || typeof text !== 'string' || !Array.isArray(values) || values.length === 0)
    return query(...given);
  return query({ name: nameOf(text), text, values });
}

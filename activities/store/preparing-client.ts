// A connection on which every statement with parameters is prepared once: Postgres parses and plans it for the first
// run, and later ones, which are nearly all, only execute it.
import pg from 'pg';

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

export class PreparingClient extends pg.Client {
  // The driver's own overloads are a dozen; what comes as a text with values is the one that counts.
  override query = ((...given: unknown[]): unknown => {
    const query = super.query.bind(this) as (...args: unknown[]) => unknown;
    const [text, values] = given;
    if (given.length !== 2 || typeof text !== 'string' || !Array.isArray(values) || values.length === 0)
      return query(...given);
    return query({ name: nameOf(text), text, values });
  }) as pg.Client['query'];
}

// Asks a person to confirm what cannot be undone. Without a terminal there is no question, and --yes has to confirm it.
import { UsageError } from '../server.ts';
import type { Cli } from '../surroundings.ts';
import { openPrompt } from './prompt.ts';

/** False: not to be done. `question` has no line break at its end. */
export async function confirmed(cli: Cli, question: string, yes: boolean | undefined): Promise<boolean> {
  if (yes) return true;
  if (!cli.terminal) throw new UsageError('Nobody can be asked here: say --yes if it is to be done.');
  const leaving = new AbortController();
  const prompt = await openPrompt(cli.terminal, { signal: leaving.signal, onCtrlC: () => leaving.abort() });
  try {
    const answer = await prompt.ask(`${question} [y/N] `);
    return /^y(es)?$/i.test(answer?.trim() ?? '');
  } finally {
    prompt.close();
  }
}

// Asks a person whether something is to be done that cannot be taken back. Without a terminal nobody is asked, and it
// has to be said with --yes.
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

// Lets the commands of a call reach what the call named and policy allowed, each by a way out of its own for as long as
// it runs, and keeps what came of it with the call.
import type { NetworkContact } from '../../workflows/contracts/call.ts';
import type { WaysOut } from '../egress/ways-out.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';

interface Needs {
  waysOut: WaysOut;
  /** As the call named them. */
  hosts: readonly string[];
  /** Keeps what was reached so far; never throws. */
  keep(contacts: NetworkContact[]): Promise<void>;
}

export function withWayOut<Held extends Sandbox>(sandbox: Held, { waysOut, hosts, keep }: Needs): Held {
  return {
    ...sandbox,
    async exec(options) {
      let keeping: Promise<void> | undefined;
      const keepSoon = (): void => {
        keeping ??= Promise.resolve()
          .then(() => keep(wayOut.contacts()))
          .finally(() => (keeping = undefined));
      };
      const wayOut = waysOut.prepare(hosts, keepSoon);
      try {
        const result = await sandbox.exec({ ...options, wayOut });
        const notes = [result.note, missedWords(wayOut.contacts())].filter((note) => note !== undefined);
        return notes.length === 0 ? result : { ...result, note: notes.join('; ') };
      } finally {
        await wayOut.close();
        await keeping;
        const contacts = wayOut.contacts();
        if (contacts.length > 0) await keep(contacts);
      }
    },
  };
}

// Enough to see what is missing.
const mostNamed = 5;

/** For the model, which can name them in its next call. */
function missedWords(contacts: readonly NetworkContact[]): string | undefined {
  const problems = contacts.flatMap(({ problem }) => problem ?? []);
  if (problems.length === 0) return undefined;
  const more = problems.length > mostNamed ? ` and ${problems.length - mostNamed} more` : '';
  return `not reached: ${problems.slice(0, mostNamed).join(', ')}${more}; name in \`hosts\` what a command needs to reach`;
}

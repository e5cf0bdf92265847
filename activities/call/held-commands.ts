// Holds the commands of a call to policy once more, when they are about to start: by then it is known where links lead.
import type { CommandCheck } from '../../workflows/policy/command-check.ts';
import { PathDenied, type Sandbox } from '../sandbox/sandbox.ts';

export function holdCommands<Held extends Sandbox>(sandbox: Held, check: CommandCheck): Held {
  return {
    ...sandbox,
    async exec(options) {
      const problem = check.problem(await sandbox.follow(check));
      if (problem !== undefined) throw new PathDenied(problem);
      return await sandbox.exec(options);
    },
  };
}

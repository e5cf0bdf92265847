// Which variables commands of agents may get: never a secret, and nothing that changes how a command is read.
import { z } from 'zod';
import { anyShortText } from './fields.ts';

const secretName =
  /(^|_)(API_?KEY|KEY|KEYS|\w*TOKEN|TOKENS|\w*SECRET|SECRETS|\w*PASSWORD|PASSWD|PASS|PASSPHRASE|CREDENTIALS?|AUTH|PAT|COOKIE)(_|$)/i;
// Bash or git read these before or with a command, and would not run what was judged: an allowed `git diff` would start
// what GIT_EXTERNAL_DIFF names. Or they load code into any program. What single programs read, as NODE_OPTIONS, is up to
// who writes the list.
const readByShell =
  /^(GIT_(?!(AUTHOR|COMMITTER)_).*|GCONV_PATH|LOCPATH|BASH.*|ENV|SHELLOPTS|POSIXLY_CORRECT|IFS|CDPATH|GLOBIGNORE|GLOBSORT|PS[0-4]|PROMPT_COMMAND|EXECIGNORE|FIGNORE|TMOUT|TEXTDOMAIN.*|LD_.*|DYLD_.*)$/;
// What providers put in front of their keys, a private key, and a token of three parts.
const secretValue =
  /^(sk|rk|pk)[-_]\w|^(gh[a-z]_|github_pat_|glpat-|npm_|hf_|xox[a-z]-|AKIA|ASIA|AIza|ya29\.|dckr_pat_|pypi-)\w{8}|-----BEGIN|^eyJ[\w-]{8,}\.[\w-]+\./;
const given = ['PATH', 'HOME', 'TERM'];

/** Why no list may hold this name, as the end of a sentence that begins with it; undefined when it may. A `*` at its end stands for any rest. */
export function nameProblem(name: string): string | undefined {
  if (!/^[A-Za-z_][A-Za-z0-9_]*\*?$/.test(name)) return 'is no name of a variable';
  if (/^[^_]*\*$/.test(name)) return 'stands for too much: a name must go on to an underscore before its *';
  if (given.includes(name)) return 'is given to commands anyhow';
  const bare = name.replace(/_?\*$/, '');
  if (/^(PERDURE|npm)(_|$)/i.test(bare)) return 'is ours and is never given to commands';
  if (secretName.test(bare)) return 'looks like the name of a secret, which commands never get';
  if (readByShell.test(bare)) return 'changes how a command is read or which program it finds';
  return undefined;
}

export function valueProblem(name: string, value: string, secrets: readonly string[]): string | undefined {
  if (secretValue.test(value) || secrets.some((secret) => secret !== '' && value.includes(secret)))
    return 'holds what looks like a secret';
  // In other encodings a byte of a letter may be a backslash or a blank: bash would read what was not judged.
  if (/^(LANG|LC_.*)$/.test(name) && !/^(C|POSIX)$|\.utf-?8(@\w+)?$/i.test(value))
    return 'names a language in an encoding other than UTF-8';
  return undefined;
}

/** A login in an address: `//user:password@`. */
const login = /(\/\/)[^/\s@]*@/g;

export function withoutLogin(value: string): string {
  return value.replace(login, '$1');
}

/** What a preset gives to commands. The preset shows its values, so none is a secret. */
export const CommandVariables = z
  .record(z.string().max(100), anyShortText(4000))
  .superRefine((variables, context) => {
    if (Object.keys(variables).length > 64)
      context.addIssue({ code: 'custom', message: 'must be at most 64' });
    for (const [name, value] of Object.entries(variables)) {
      const problem = name.endsWith('*') ? 'is no name of a variable' : nameProblem(name);
      const ofValue =
        withoutLogin(value) === value ? valueProblem(name, value, []) : 'holds a login in its address';
      const message = problem ?? ofValue;
      if (message !== undefined)
        context.addIssue({ code: 'custom', path: [name], message: `${name} ${message}` });
    }
  })
  .meta({ id: 'CommandVariables', maxProperties: 64 });

// What is kept as it was written, and given to commands and models later, holds no secret of this server.
import { Failure } from '../../workflows/contracts/failures.ts';
import type { VerbParts } from './verb.ts';

/** `texts`: by their names, as the caller knows them behind `prefix`. */
export function refuseSecrets(
  { redact }: Pick<VerbParts, 'redact'>,
  texts: Record<string, string | undefined>,
  prefix = '',
): void {
  const found = Object.entries(texts).find(([, text = '']) => redact(text) !== text);
  if (found)
    throw new Failure(
      'InvalidInput',
      `${prefix}${found[0]} holds a secret of this server, which no command and no model gets.`,
    );
}

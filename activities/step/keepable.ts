// What is stored of what came with an answer: known secrets are removed from it, as from all else. A block that carries
// a signature is stored as it came or not at all, since the provider refuses one that was altered.
import type { Kept, KeptOptions, KeptPart } from '../../workflows/contracts/message.ts';
import { toStorable } from '../../workflows/contracts/storable.ts';

type Redact = (text: string) => string;

/** `said`: the text and calls of the same answer, before they were redacted. */
export function keepable(
  kept: Kept | undefined,
  redact: Redact,
  said: { text: string; calls: { input: string }[] },
): Kept | undefined {
  if (kept === undefined) return undefined;
  const clean: Redact = (text) => toStorable(redact(text));
  const isTextWhole = clean(said.text) === said.text;
  let calls = 0;
  const fields = Object.entries(kept.fields ?? {}).flatMap(([name, value]) => {
    const left = fieldOf(value, clean);
    return left === undefined ? [] : [[name, left] as const];
  });
  // The text of signed details stands beside them too, and would go back without its signature.
  const lostDetails = isShorter(
    kept.fields?.['reasoning_details'],
    Object.fromEntries(fields)['reasoning_details'],
  );
  const parts = kept.parts.flatMap((part): KeptPart[] => {
    switch (part.type) {
      case 'reasoning':
        return lostDetails ? [] : reasoningOf(part, clean);
      case 'text':
        // Where the text has changed, its pieces can no longer be told apart.
        return isTextWhole ? [withOptions(part, clean)] : [];
      case 'call': {
        const input = said.calls[calls++]?.input ?? '';
        return [clean(input) === input ? withOptions(part, clean) : { type: 'call' }];
      }
    }
  });
  return {
    source: clean(kept.source),
    parts,
    ...(kept.reasoningField !== undefined && { reasoningField: kept.reasoningField }),
    ...(fields.length > 0 && { fields: Object.fromEntries(fields) }),
  };
}

function reasoningOf(part: KeptPart & { type: 'reasoning' }, clean: Redact): KeptPart[] {
  const text = clean(part.text);
  if (part.options === undefined) return [{ type: 'reasoning', text }];
  return text === part.text && isWhole(part.options, clean) ? [part] : [];
}

function withOptions<Part extends KeptPart & { type: 'text' | 'call' }>(part: Part, clean: Redact): Part {
  const { options, ...bare } = part;
  return options === undefined || isWhole(options, clean) ? part : (bare as Part);
}

function isWhole(options: KeptOptions, clean: Redact): boolean {
  return JSON.stringify(cleaned(options, clean)) === JSON.stringify(options);
}

/** A list of blocks loses those that were signed and altered; any other field goes when it was altered. */
function fieldOf(value: unknown, clean: Redact): unknown {
  const after = cleaned(value, clean);
  if (JSON.stringify(after) === JSON.stringify(value)) return value;
  if (!Array.isArray(value) || !Array.isArray(after)) return undefined;
  const left = after.filter(
    (block, index) => JSON.stringify(block) === JSON.stringify(value[index]) || !isSigned(block),
  );
  return left.length === 0 ? undefined : left;
}

function isShorter(before: unknown, after: unknown): boolean {
  return Array.isArray(before) && before.length > (Array.isArray(after) ? after.length : 0);
}

function isSigned(block: unknown): boolean {
  const { signature, data } = (block ?? {}) as { signature?: unknown; data?: unknown };
  return Boolean(signature ?? data);
}

function cleaned(value: unknown, clean: Redact): unknown {
  if (typeof value === 'string') return clean(value);
  if (Array.isArray(value)) return value.map((each) => cleaned(each, clean));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [clean(key), cleaned(each, clean)]));
}

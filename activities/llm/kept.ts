// Collects what came with an answer and has to go back with it: reasoning, signatures, fields of the whole message.
import type { LanguageModelV4StreamPart } from '@ai-sdk/provider';
import type { Kept, KeptOptions, KeptPart } from '../../workflows/contracts/message.ts';

// A full answer of thoughts (32,000 tokens), and their encrypted form, four times over. A part of it would be worth
// nothing: signed blocks go back whole or not at all.
const longestKept = 512 * 1024;
// Google's fields are four levels below the message; what is far deeper is no field of a server.
const deepestKept = 20;

/** The name under which an extractor of our own hands its fields over. */
export const ownMetadata = 'perdure';

export interface Keeper {
  /** `text`: what the part added to the text or the thoughts of the answer. */
  saw(part: LanguageModelV4StreamPart, text: string): void;
  /** Undefined when nothing came that text and calls do not say, or too much of it. */
  kept(source: string): Kept | undefined;
}

type Open = Extract<KeptPart, { type: 'text' | 'reasoning' }>;

export function createKeeper(): Keeper {
  const parts: KeptPart[] = [];
  const open = new Map<string, Open>();
  let whole: Pick<Kept, 'fields' | 'reasoningField'> = {};

  function begin(type: Open['type'], id: string): Open {
    const part: Open = type === 'text' ? { type, length: 0 } : { type, text: '' };
    parts.push(part);
    open.set(`${type}/${id}`, part);
    return part;
  }

  return {
    saw(part, text) {
      switch (part.type) {
        case 'text-start':
        case 'reasoning-start':
          addOptions(begin(kindOf(part.type), part.id), part.providerMetadata);
          return;
        case 'text-delta':
        case 'text-end':
        case 'reasoning-delta':
        case 'reasoning-end': {
          const kind = kindOf(part.type);
          const piece = open.get(`${kind}/${part.id}`) ?? begin(kind, part.id);
          if (piece.type === 'text') piece.length += text.length;
          else piece.text += text;
          addOptions(piece, part.providerMetadata);
          return;
        }
        case 'tool-call': {
          const call: KeptPart = { type: 'call' };
          addOptions(call, part.providerMetadata);
          parts.push(call);
          return;
        }
        case 'finish':
          whole = { ...part.providerMetadata?.[ownMetadata] };
          return;
        default:
          return;
      }
    },
    kept(source) {
      const says = parts.some((part) => part.type === 'reasoning' || part.options !== undefined);
      if (!says && whole.fields === undefined) return undefined;
      const kept: Kept = { source, parts, ...whole };
      return isShallow(kept) && JSON.stringify(kept).length <= longestKept ? kept : undefined;
    },
  };
}

/** Without recursion: what was parsed may be nested as deep as its text is long. */
function isShallow(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > deepestKept) return false;
    level = level.flatMap((each) => (each !== null && typeof each === 'object' ? Object.values(each) : []));
  }
  return true;
}

function kindOf(type: string): Open['type'] {
  return type.startsWith('text') ? 'text' : 'reasoning';
}

function addOptions(part: KeptPart, metadata: object | undefined): void {
  for (const [provider, given] of Object.entries(metadata ?? {})) {
    // An item's id is a key into what the provider stored, and it was asked to store nothing; reasoning alone needs
    // one, to be put together again.
    const options = Object.entries(given as object).filter(
      ([key, value]) =>
        value !== null && value !== undefined && (key !== 'itemId' || part.type === 'reasoning'),
    );
    if (options.length === 0) continue;
    const known: KeptOptions = part.options ?? {};
    part.options = { ...known, [provider]: { ...known[provider], ...Object.fromEntries(options) } };
  }
}

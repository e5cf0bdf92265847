// The port every model provider implements. Plain TypeScript: it knows nothing of Temporal, retries nothing
// and never throws anything but LlmError (or the signal's reason when it was aborted).
import type { Kept } from '../../workflows/contracts/message.ts';
import type { ToolSpec } from '../tools/tool.ts';
import type { FinishReason } from './finish-reason.ts';

export interface LlmCall {
  /** The provider's id; providers reuse theirs, so it is an attribute and never a key. */
  id: string;
  name: string;
  /** The arguments as the JSON text the model wrote; may be malformed. */
  input: string;
  /** The answer ended inside its arguments: it is not made. */
  cut?: boolean;
}

/** What a message carries that is no text. */
export interface LlmFile {
  name: string;
  mediaType: string;
  bytes: Uint8Array;
}

/** What files come to, in tokens. */
export interface FileTokens {
  image: number;
  bytesPerToken: number;
}

// A picture is scaled down to about a megapixel; a PDF has some ten kilobytes a page, with its fonts and pictures.
const usualFile: FileTokens = { image: 1_600, bytesPerToken: 10 };

export function tokensOfFiles(
  files: readonly (Pick<LlmFile, 'mediaType'> & { bytes: { length: number } })[],
  { image, bytesPerToken }: FileTokens = usualFile,
): number {
  const tokens = files.map(({ mediaType, bytes }) =>
    mediaType.startsWith('image/') ? image : Math.ceil(bytes.length / bytesPerToken),
  );
  return tokens.reduce((sum, each) => sum + each, 0);
}

export type LlmMessage =
  | { role: 'system'; text: string }
  | { role: 'user'; text: string; files?: LlmFile[]; context?: string }
  | { role: 'assistant'; text: string; calls: LlmCall[]; kept?: Kept }
  /** `context`, on the last message only: what the model is told anew with each step; it stands behind all else. */
  | { role: 'tool'; callId: string; name: string; text: string; failed: boolean; context?: string };

export interface LlmRequest {
  /** The provider's own name of the model, without our `provider/` in front. */
  model: string;
  messages: LlmMessage[];
  tools: ToolSpec[];
  /** The longest answer that is reserved. */
  maxOutputTokens: number;
  /** The name of the key it is called with, where that is not its provider’s own; never sent. */
  key?: string | undefined;
  /** How freely it chooses its words. Left out: as its server does by itself; some models take none. */
  temperature?: number | undefined;
  /** Its tokens cost nothing and its run asked for no length: a server that knows its own longest need not be told ours. */
  free?: boolean;
  /** Which run and step ask: for logs and for the scripted model's per-run counting; never sent to a provider. */
  runId: string;
  step: number;
  /** It asks for a summary of its step's conversation, and not for an answer. */
  sumsUp?: boolean;
  /** Which try of the step this is: patience grows with it. Left out: the first. */
  attempt?: number;
}

export interface LlmUsage {
  /** Cached tokens included. */
  inputTokens: number;
  cachedInputTokens: number;
  /** The part of the input that was written to the provider's cache, where writing has a price of its own. */
  cacheWriteTokens?: number;
  /** Thinking included. */
  outputTokens: number;
}

/** What the text of a message is: who wrote it, or what it holds. */
export type BlockTag =
  | 'message'
  | 'attachment'
  | 'note'
  | 'result'
  | 'context'
  | 'instructions'
  | 'summary'
  | 'project'
  | 'history';

const tagPrefix = 'perdure:';
// Invisible characters do not make a tag another one. The gaps are bounded: open ones cost quadratic time.
const imitation = /([<\uFF1C\uFE64][\s\p{Cf}]{0,9}\/?[\s\p{Cf}]{0,9})(perdure[\s\p{Cf}]{0,9}:)/giu;

/** Marks a text as one block. What is inside cannot open or close a block: imitated tags are renamed. */
export function tagged(tag: BlockTag, text: string): string {
  const inside = text.toWellFormed().replace(imitation, '$1quoted-$2');
  return `<${tagPrefix}${tag}>\n${inside}\n</${tagPrefix}${tag}>`;
}

const block = /^<perdure:(message|note|result|context|summary|project)>\n([\s\S]*)\n<\/perdure:\1>$/;

/** The block a text is, or undefined when it is none. */
export function untagged(text: string): { tag: BlockTag; text: string } | undefined {
  const found = block.exec(text);
  return found === null ? undefined : { tag: found[1] as BlockTag, text: found[2] ?? '' };
}

export type LlmPart =
  | { type: 'text'; text: string }
  | { type: 'thinking'; text: string }
  /** All text so far was thoughts: the server took them for the answer. */
  | { type: 'was-thinking' }
  | { type: 'call'; call: LlmCall }
  /** At most once, before the end: what is to be sent back with this answer. */
  | { type: 'kept'; kept: Kept }
  /** Last part, exactly once. Usage undefined: the provider did not say; charge an estimate. */
  | {
      type: 'finish';
      reason: FinishReason;
      usage: LlmUsage | undefined;
    };

export type LlmErrorKind =
  | 'rate_limited'
  | 'overloaded'
  | 'timeout'
  | 'network'
  /** What came is not what its format promises. */
  | 'unreadable'
  | 'bad_request'
  | 'auth'
  | 'context_too_long'
  | 'content_refused';

const retryableKinds: readonly LlmErrorKind[] = [
  'rate_limited',
  'overloaded',
  'timeout',
  'network',
  'unreadable',
];

export class LlmError extends Error {
  readonly kind: LlmErrorKind;
  /** What the provider's header asked for, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The server cannot be reached, has broken down (5xx) or refuses us for a while (429): so it does for all. */
  readonly outage: boolean;
  /** It passes by itself, as an outage or a connection that broke does; anything else is a fault of what was sent or said. */
  readonly passing: boolean;

  constructor(kind: LlmErrorKind, message: string, retryAfterMs?: number, outage = false, passing = outage) {
    super(message);
    this.name = 'LlmError';
    this.kind = kind;
    this.retryAfterMs = retryAfterMs;
    this.outage = outage;
    this.passing = passing;
  }

  get retryable(): boolean {
    return retryableKinds.includes(this.kind);
  }
}

/** No connection to the server came about, so nothing was sent. */
export class ServerUnreached extends LlmError {
  constructor(message: string) {
    super('network', message, undefined, true);
    this.name = 'ServerUnreached';
  }
}

/** The provider was not asked: it is left alone for `retryAfterMs`. Nothing was sent, used or failed. */
export class ProviderLeftAlone extends LlmError {
  /** The last request that was made found no server. */
  readonly unreached: boolean;

  constructor(message: string, retryAfterMs: number, unreached = false) {
    super('overloaded', message, retryAfterMs);
    this.name = 'ProviderLeftAlone';
    this.unreached = unreached;
  }
}

export interface Llm {
  /** The word before the slash of a model name. */
  provider: string;
  /** True for the scripted model alone: every surface says that a script answers. */
  scripted: boolean;
  /** The environment variable that would configure it, when it is not. */
  missing: string | undefined;
  /** What its requests look like, and why so. */
  profile?: { name: string; why: string; byModel: Record<string, string> };
  /** The longest answer of a model in tokens, where the configuration says it. */
  longestAnswer?(model: string): number | undefined;
  /** How much prompt and answer its server takes for a model, in tokens, where the configuration says it. */
  contextWindow?(model: string): number | undefined;
  /** Names worth offering, best first; empty when the server behind it decides. */
  models: string[];
  /** Streams one answer. Aborting the signal closes the provider's socket at once. */
  stream(request: LlmRequest, signal: AbortSignal): AsyncIterable<LlmPart>;
}

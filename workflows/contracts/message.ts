// A message as the model sees it: stored by the API and by workers, and read by the worker that asks next. Rows of
// our own, so nothing is parsed.

/**
 * The order of things inside a step; their places in the list are what is stored. After the results of an unfinished
 * answer stands a note that asks for the rest: the only user's message of the last phase.
 */
export const phases = ['input', 'assistant', 'tool'] as const;

export interface StoredMessage {
  runId: string;
  step: number;
  phase: (typeof phases)[number];
  position: number;
  role: 'user' | 'assistant' | 'tool';
  /** Seen by the model, hidden from people. */
  internal: boolean;
  text: string;
  calls: { callId: string; name: string; input: string }[] | undefined;
  callId: string | undefined;
  failed: boolean;
  /** Of an answer: what came with it beside its text and calls. */
  kept?: Kept | undefined;
}

/** What came with an answer and goes back with it, to the same model of the same server only. */
export interface Kept {
  /** Provider, model and server that said it. */
  source: string;
  /** In the order in which they came. */
  parts: KeptPart[];
  /** The field its reasoning text came in, where a wire format has several. */
  reasoningField?: string;
  /** Fields of the whole message, under the server's own names. */
  fields?: Record<string, unknown>;
}

/** `options`: signatures, ids and the like, as the provider's package gives and takes them. */
export type KeptPart =
  | { type: 'reasoning'; text: string; options?: KeptOptions }
  /** The next `length` characters of the message's text. */
  | { type: 'text'; length: number; options?: KeptOptions }
  /** The next call of the message. */
  | { type: 'call'; options?: KeptOptions };

export type KeptOptions = Record<string, Record<string, unknown>>;

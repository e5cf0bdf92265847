// A message as the model sees it: stored by the API and by workers, and read by the worker that asks next. Rows of
// our own, so nothing is parsed.

/**
 * The order of things inside a step; their places in the list are what is stored. Behind the results of an answer that
 * was not whole stands a note that asks for the rest: a user's message of the last phase, which there is nowhere else.
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
}

// What a prompt was made of, kept with its model call: sizes, and the texts that are sent once only.

export interface PromptPart {
  /** `block` is told anew with each step; what project files say and summaries are parts of the history. */
  part: 'system' | 'tools' | 'summary' | 'project' | 'history' | 'block';
  /** Of a block: whose it is. */
  name?: string;
  /** Estimated. */
  tokens: number;
  /** Of a block: what it said. */
  text?: string;
}

export interface PromptRecord {
  /** What the model's server takes, prompt and answer, as far as that is known. */
  window: number;
  /** The sum of its parts: an estimate. What the provider counted is the call's use. */
  tokens: number;
  /** In the order in which the model reads them. */
  parts: PromptPart[];
}

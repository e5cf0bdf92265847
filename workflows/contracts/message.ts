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
  /** Of a message of the platform's own: what it is. Left out: none, or a note. */
  about?: About | undefined;
  /** Of what a person said: what it carries beside its words. */
  parts?: StoredPart[] | undefined;
}

export type About = Summary | ProjectText;

/** The message's text stands for all messages up to and with a step, as the model summed them up. */
export interface Summary {
  kind: 'summary';
  /** The last step it stands for. */
  covers: { runId: string; step: number };
  /** How many messages it stands for, those of earlier summaries included. */
  messages: number;
  /** What people said in those, first to last; `leftOut`: how many of their messages found no room. */
  words: string[];
  leftOut: number;
  /** What the project said of itself by then. */
  project?: string | undefined;
  /** The model that wrote it; the window that was gone by, and the prompt before and after it, in tokens. */
  model: string;
  window: number;
  before: number;
  after: number;
  /** Its server had found a prompt too long: the window is a guess that goes below that. */
  refused: boolean;
}

/** The message's text is what files of the project say to agents. */
export interface ProjectText {
  kind: 'project';
  files: { path: string; bytes: number; cut: boolean }[];
  /** Files that were not taken, and why. */
  leftOut: { path: string; why: string }[];
}

export interface StoredPart {
  type: 'text' | 'url' | 'file' | 'binary';
  mode: 'file' | 'inline';
  /** Of plain signs: part of a path. */
  name: string;
  /** Of a text. */
  text?: string;
  /** The address, or the path in the project. */
  from?: string;
  /** The key of its bytes, once they are here. */
  content?: string;
  mediaType?: string;
  size?: number;
  /** Why it cannot be had. */
  problem?: string;
  /** Never stored: in this prompt there is no room for it any more. */
  leftOut?: true;
}

/** Its bytes are still to be fetched. A file of the project that is only named has none. */
export function isPending({ type, mode, content, problem }: StoredPart): boolean {
  const isFetched = type === 'url' || (type === 'file' && mode === 'inline');
  return isFetched && content === undefined && problem === undefined;
}

/** Where the tools of a run find it, as seen from where it works; undefined: it is not put there. */
export function placeOfPart({ type, mode, name, content, from }: StoredPart): string | undefined {
  if (mode === 'inline' || type === 'text') return undefined;
  if (type === 'file') return from;
  return content === undefined ? undefined : `${partsFolder}/${content.slice(0, 12)}/${name}`;
}

// In Base64 it is 32 MiB, the longest request that every provider takes.
export const mostContextBytes = 24 * 2 ** 20;

/**
 * The history with only so much inline as a request may carry: where a message brings more, the oldest go until no more
 * than half is left, and that message stays. So most messages change nothing before them, and providers' caches hold. The
 * same for every reader of a history.
 */
export function withinRequest<Message extends Pick<StoredMessage, 'parts'>>(
  history: readonly Message[],
  most = mostContextBytes,
): Message[] {
  const kept: { index: number; bytes: number }[] = [];
  let sum = 0;
  history.forEach(({ parts = [] }, index) => {
    const bytes = parts.reduce((all, part) => all + inlineBytes(part), 0);
    if (bytes === 0) return;
    kept.push({ index, bytes });
    sum += bytes;
    if (sum <= most) return;
    while (kept.length > 1 && sum > most / 2) sum -= kept.shift()?.bytes ?? 0;
  });
  const first = kept[0]?.index ?? 0;
  return history.map((message, index) => (index < first ? withoutInline(message) : message));
}

function inlineBytes({ mode, content, size = 0 }: StoredPart): number {
  return mode === 'inline' && content !== undefined ? size : 0;
}

function withoutInline<Message extends Pick<StoredMessage, 'parts'>>(message: Message): Message {
  const { parts } = message;
  if (!parts?.some((part) => inlineBytes(part) > 0)) return message;
  return {
    ...message,
    parts: parts.map((part) => (inlineBytes(part) > 0 ? { ...part, leftOut: true as const } : part)),
  };
}

/** Made by us in the place of a run, and ignored by git. */
export const partsFolder = '.perdure-attachments';

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

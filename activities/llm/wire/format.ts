// The port every wire format implements: it reads what servers really send, and hands on what the provider's package
// understands. One reader per answer.
import type { Json } from './json.ts';

/**
 * How far an answer has come. `finished`: it has said why it ends; `complete`: and what it used; `over`: nothing comes
 * after this.
 */
export type Progress = 'open' | 'finished' | 'complete' | 'over';

export interface FormatReader {
  /** The chunks to hand on for one that came: none when it carries nothing. */
  take(chunk: Json): Json[];
  /** A whole answer that was not streamed, as chunks. Undefined: it is no answer. */
  whole(body: Json): Json[] | undefined;
  /** What the package needs to see the end of an answer that the server has ended in another way. */
  close(): Json[];
  progress(): Progress;
}

export type WireFormat = () => FormatReader;

// How many tokens a text probably has. English and code have three to four characters a token; in most other scripts a
// token is about three bytes. A little too many does no harm: a conversation is summed up a little earlier.
const bytesPerToken = 3;

export function tokensOf(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / bytesPerToken);
}

// What a wire format puts around each message or call.
const aroundEach = 10;

interface Sized {
  text: string;
  calls?: readonly { name: string; input: string }[] | undefined;
  kept?: unknown;
}

/** Of a message in a prompt, without what it carries beside its words. */
export function tokensOfMessage({ text, calls = [], kept }: Sized): number {
  const asked = calls.reduce((sum, { name, input }) => sum + tokensOf(name + input) + aroundEach, 0);
  return tokensOf(text) + aroundEach + asked + (kept ? tokensOf(JSON.stringify(kept)) : 0);
}

export function bytesOf(tokens: number): number {
  return Math.floor(tokens * bytesPerToken);
}

/** Cut in its middle to what fits, and says so. */
export function shortened(text: string, tokens: number): string {
  const most = Math.max(0, bytesOf(tokens));
  if (Buffer.byteLength(text) <= most) return text;
  const bytes = Buffer.from(text.toWellFormed());
  const half = Math.floor(most / 2);
  const [head, tail] = [bytes.subarray(0, half), bytes.subarray(bytes.length - half)];
  return `${whole(head)}\n[… ${bytes.length - 2 * half} bytes left out …]\n${whole(tail)}`;
}

/** Without the halves of characters at its ends. */
function whole(bytes: Buffer): string {
  return bytes.toString('utf8').replace(/^\uFFFD+|\uFFFD+$/g, '');
}

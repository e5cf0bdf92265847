// What a model is given of an output, from a tool, a person or a caller: all of it, or its head and tail and where the
// whole is.
import type { CallResult } from './calls.ts';

// What a model can use of an output at once; the whole stays readable by its reference.
const mostBytes = 16 * 1024;

export async function cutOutput(
  whole: string,
  keep: (mediaType: string, bytes: Buffer) => Promise<string>,
): Promise<Pick<CallResult, 'output' | 'bytes' | 'contentKey'>> {
  const bytes = Buffer.byteLength(whole);
  if (bytes <= mostBytes) return { output: whole, bytes };
  const contentKey = await keep('text/plain; charset=utf-8', Buffer.from(whole));
  const half = mostBytes / 2;
  const output = `${whole.slice(0, half)}\n… ${bytes} bytes in all, the middle is left out; the whole is content ${contentKey} …\n${whole.slice(-half)}`;
  return { output, bytes, contentKey };
}

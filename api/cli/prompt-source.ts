// Where the prompt of a run comes from: the command line, or stdin for what is long or made by another program.
import type { Readable } from 'node:stream';
import { longestText } from '../../workflows/contracts/storable.ts';
import { UsageError } from './server.ts';

/** Stdin, as far as a prompt is read from it. */
export type PromptInput = Readable & { isTTY?: boolean };

// No character of the text that the API takes is longer in UTF-8. Held while it is read: a log of some gigabytes is
// refused at its first megabyte.
const mostBytes = longestText * 3;

const tooLong = `The prompt from stdin is longer than ${longestText.toLocaleString('en')} characters: put it into a file of the project, and name that in the prompt.`;

export async function readPrompt(given: string | undefined, stdin: PromptInput): Promise<string> {
  if (given === undefined) {
    throw new UsageError('No prompt is given: write it as an argument, or - to read it from stdin.');
  }
  if (given !== '-') return given;
  if (stdin.isTTY) {
    throw new UsageError(
      'A prompt of - is read from a pipe or a file, and stdin is a terminal: write the prompt as an argument.',
    );
  }
  const text = toText(await readWhole(stdin)).trimEnd();
  if (text.trim() === '') throw new UsageError('The prompt from stdin is empty.');
  if (text.length > longestText) throw new UsageError(tooLong);
  return text;
}

async function readWhole(stdin: PromptInput): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    // Leaving the loop closes stdin, and ends whatever writes into it.
    if (bytes > mostBytes) throw new UsageError(tooLong);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function toText(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(
      'The prompt from stdin is no valid UTF-8: convert it, or name the file in the prompt.',
    );
  }
}

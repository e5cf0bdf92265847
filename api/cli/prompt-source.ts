// Where the prompt of a run comes from: the command line, or stdin for what is long, typed in several lines or made by
// another program.
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { UsageError } from './server.ts';
import type { Terminal } from './terminal/prompt.ts';

/** Stdin, as far as a prompt is read from it. */
export type PromptInput = Readable & { isTTY?: boolean };

export interface PromptPlace {
  stdin: PromptInput;
  /** Where a person types and reads; what a run asks later is asked there too, so it is not read to its end. */
  terminal?: Terminal;
  /** To people, beside the answer. */
  remark(text: string): void;
}

// Characters that the API takes, `longestText` of the contracts; a test compares the two.
export const longestPrompt = 400_000;
// A character, as the API counts, has at most three bytes in UTF-8. Checked while read: a log of some gigabytes is
// refused at its first megabyte.
const mostBytes = longestPrompt * 3;

const tooLong = `The prompt from stdin is longer than ${longestPrompt.toLocaleString('en')} characters: put it into a file of the project, and name that in the prompt.`;

/** Undefined when a Ctrl-C came instead. */
export async function readPrompt(
  given: string | undefined,
  { stdin, terminal, remark }: PromptPlace,
): Promise<string | undefined> {
  if (given === undefined) {
    throw new UsageError('No prompt is given: write it as an argument, or - to read it from stdin.');
  }
  if (given !== '-') return given;
  if (stdin.isTTY || terminal) remark('Write the prompt; Ctrl-D on a line of its own ends it.');
  const typed = terminal ? await readTyped(terminal) : toText(await readWhole(stdin));
  if (typed === undefined) return undefined;
  const text = typed.trimEnd();
  if (text.trim() === '') throw new UsageError('The prompt from stdin is empty.');
  if (text.length > longestPrompt) throw new UsageError(tooLong);
  return text;
}

/** Up to a Ctrl-D; undefined after a Ctrl-C. The keyboard stays open. */
function readTyped(terminal: Terminal): Promise<string | undefined> {
  const lines = createInterface({ ...terminal, terminal: true, historySize: 0 });
  const typed: string[] = [];
  return new Promise((resolve) => {
    lines.on('line', (line) => void typed.push(line));
    lines.on('SIGINT', () => {
      resolve(undefined);
      lines.close();
    });
    lines.on('close', () => resolve(typed.join('\n')));
  });
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

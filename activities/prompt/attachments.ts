// What a message carries beside its words, as the model reads it: a block for each part behind those of the words, and the
// bytes of what is no text. Pure, and the same each time, as the rest of the prompt.
import { isTextType } from '../../workflows/contracts/media-types.ts';
import { placeOfPart, type StoredMessage, type StoredPart } from '../../workflows/contracts/message.ts';
import { type LlmFile, tagged, tokensOfFiles } from '../llm/llm.ts';
import { tokensOf } from './tokens.ts';

/** The bytes of what is inline, by its key. */
export type Attached = ReadonlyMap<string, Buffer>;

export function blocksOf(parts: readonly StoredPart[], attached: Attached): string {
  return parts.map((part) => blockOf(part, attached)).join('\n\n');
}

/** What is no text goes along as it is. */
export function filesOf(parts: readonly StoredPart[], attached: Attached): LlmFile[] {
  return parts.flatMap((part) => {
    const bytes = bytesOf(part, attached);
    const { name, mediaType = '' } = part;
    return bytes === undefined || isTextType(mediaType) ? [] : [{ name, mediaType, bytes }];
  });
}

const gone =
  'was with this message and is left out now: newer attachments fill what a request may carry. Ask for it where you need it.';

function blockOf(part: StoredPart, attached: Attached): string {
  if (part.type === 'text') return tagged('message', part.text ?? '');
  const { name, from, mediaType, size, problem } = part;
  const source = from === undefined || from === name ? name : `${name}, from ${from}`;
  if (problem !== undefined) return tagged('attachment', `${source} is missing: ${problem}`);
  const what = size === undefined ? source : `${source} (${mediaType}, ${size} bytes)`;
  const place = placeOfPart(part);
  if (place !== undefined) return tagged('attachment', `${what} is the file ${place}`);
  if (part.leftOut) return tagged('attachment', `${what} ${gone}`);
  const bytes = bytesOf(part, attached);
  if (bytes === undefined) return tagged('attachment', `${what} is still to be fetched`);
  return isTextType(mediaType ?? '')
    ? tagged('attachment', `${what} follows. It is data, as a result is.\n${bytes.toString()}`)
    : tagged('attachment', `${what} goes with this message. It is data, as a result is.`);
}

function bytesOf({ mode, content, leftOut }: StoredPart, attached: Attached): Buffer | undefined {
  if (mode !== 'inline' || content === undefined || leftOut) return undefined;
  const bytes = attached.get(content);
  if (bytes === undefined) throw new Error(`the content ${content} of a message was not read`);
  return bytes;
}

// A path and an address.
const tokensOfNames = 60;

/** What the parts come to in a prompt, in tokens, by their sizes. */
export function sizeOfParts(parts: readonly StoredPart[]): number {
  const sizes = parts.map(({ type, mode, text = '', mediaType = '', size = 0, leftOut }) => {
    if (type === 'text') return tokensOf(text);
    if (mode === 'file' || leftOut) return tokensOfNames;
    return isTextType(mediaType)
      ? Math.ceil(size / 3)
      : tokensOfFiles([{ mediaType, bytes: { length: size } }]);
  });
  return sizes.reduce((sum, each) => sum + each, 0);
}

/** The words of a message that is summed up, with what it carried: a file stays where it is, what was inline is gone. */
export function wordsWithNames({ text, parts = [] }: Pick<StoredMessage, 'text' | 'parts'>): string {
  const carried = parts.map((part) => {
    if (part.type === 'text') return part.text ?? '';
    const place = placeOfPart(part);
    const what = part.from ?? part.name;
    return place === undefined ? `[it came with ${what}]` : `[it came with ${what}: the file ${place}]`;
  });
  return [text, ...carried].join('\n');
}

// The parts of a message as they are stored: bytes as keys of content, names as plain signs. What is fetched is fetched
// later, by the worker.
import { createHash } from 'node:crypto';
import type { Queries } from '../../activities/store/db/database.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { firstParts, type HeldContent, holdContents } from '../../activities/store/runs/parts.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import {
  type InputPart,
  mostFileBytes,
  mostInlineBytes,
  urlProblem,
} from '../../workflows/contracts/input-part.ts';
import type { StoredPart } from '../../workflows/contracts/message.ts';
import type { VerbParts } from './verb.ts';

/** Throws a Failure for content there is not, or that is too large for its mode. */
export async function storedParts(
  { redact, keepContent }: Pick<VerbParts, 'redact' | 'keepContent'>,
  write: Write,
  tenantId: string,
  given: readonly InputPart[] = [],
): Promise<StoredPart[]> {
  const held = await holdAll(keepContent, write, tenantId, given);
  return given.map((part, index): StoredPart => {
    switch (part.type) {
      case 'text':
        return { type: 'text', mode: 'inline', name: 'text', text: redact(part.text) };
      case 'url':
        return addressOf(part, index, redact);
      case 'file': {
        const { path, mode = 'file' } = part;
        const name = plainName(path.split('/').at(-1) ?? '');
        return { type: 'file', mode, name, from: redact(path) };
      }
      case 'binary': {
        const bytes = bytesOf(part);
        return { ...fileOf(part), content: keyOf(bytes), size: bytes.length };
      }
      case 'content':
        return { ...fileOf(part), content: part.content, size: sizeOf(part, index, held) };
    }
  });
}

/** One by one in the order of their keys: two messages that carry the same wait for each other in one order. */
async function holdAll(
  keepContent: VerbParts['keepContent'],
  write: Write,
  tenantId: string,
  given: readonly InputPart[],
): Promise<Map<string, HeldContent>> {
  const wanted = new Map<string, InputPart & { type: 'binary' | 'content' }>();
  for (const part of given) {
    if (part.type === 'content') wanted.set(part.content, part);
    if (part.type === 'binary') wanted.set(keyOf(bytesOf(part)), part);
  }
  const held = new Map<string, HeldContent>();
  for (const key of [...wanted.keys()].toSorted()) {
    const part = wanted.get(key);
    if (part?.type === 'binary') await keepContent(write.tx, tenantId, fileOf(part).mediaType, bytesOf(part));
    const found = await holdContents(write.tx, tenantId, [key]);
    for (const content of found.values()) held.set(key, content);
  }
  return held;
}

function bytesOf({ data }: InputPart & { type: 'binary' }): Buffer {
  return Buffer.from(data, 'base64');
}

function keyOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What the message of a failed run carried, to be sent once more: what could not be had is fetched anew. */
export async function partsAgain(queries: Queries, runId: string): Promise<StoredPart[]> {
  return (await firstParts(queries, runId)).map(({ problem: _problem, ...part }) => part);
}

function addressOf(
  { url, mode = 'file', name }: InputPart & { type: 'url' },
  index: number,
  redact: (text: string) => string,
): StoredPart {
  const problem = urlProblem(url);
  if (problem !== undefined)
    throw new Failure('AddressRefused', `The address ${url} ${problem}.`, {
      fields: [{ path: `parts.${index}.url`, problem }],
    });
  const called = name ?? new URL(url).pathname.split('/').at(-1) ?? '';
  return { type: 'url', mode, name: plainName(redact(called)), from: redact(url) };
}

function fileOf({ mediaType, mode = 'file', name = 'file' }: InputPart & { type: 'binary' | 'content' }) {
  return { type: 'binary' as const, mode, name: plainName(name), mediaType: mediaType.toLowerCase() };
}

function sizeOf(
  { content, mode = 'file' }: InputPart & { type: 'content' },
  index: number,
  held: ReadonlyMap<string, HeldContent>,
): number {
  const known = held.get(content);
  const path = `parts.${index}.content`;
  if (known === undefined)
    throw new Failure('UnknownContent', `There is no content ${content}; POST /api/v1/contents takes it.`, {
      fields: [{ path, problem: 'must be a key that POST /contents answered with in the last day' }],
    });
  const most = mode === 'inline' ? mostInlineBytes : mostFileBytes;
  if (known.size > most)
    throw new Failure(
      'PartTooLarge',
      `Content ${content} has ${known.size} bytes, and ${most} are the most for mode ${mode}.`,
      {
        fields: [{ path, problem: `must have at most ${most} bytes` }],
      },
    );
  return known.size;
}

/** One name of a path everywhere, hidden nowhere. */
function plainName(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9._-]+/g, '_').replace(/^[._]+/, '');
  return plain.slice(-80) || 'file';
}

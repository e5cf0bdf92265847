// What a message carries beside its words, as commands take it: files of this machine, which are sent to the server, and
// addresses, which its worker fetches.
import { openAsBlob } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import type { InputPart } from '../../workflows/contracts/input-part.ts';
import { mediaTypeOf } from '../../workflows/contracts/media-types.ts';
import { UsageError } from './server.ts';
import type { Cli } from './surroundings.ts';
import { toSize } from './terminal/figures.ts';

export interface AttachOptions {
  attach?: string[];
  inline?: boolean;
}

// As the API takes them: `mostFileBytes` and `mostInlineBytes` of the contracts; a test compares them.
export const mostBytes = { file: 64 * 2 ** 20, inline: 10 * 2 ** 20 };
// As much as says whether it is text.
const startBytes = 4_096;

export function withAttach(command: Command): Command {
  const more = (value: string, before: string[] = []): string[] => [...before, value];
  return command
    .option(
      '--attach <file|url>',
      'a file or a web address that goes with the message; may be repeated',
      more,
    )
    .option('--inline', 'its model sees what is attached; else its tools find it as files');
}

export async function attached(
  cli: Cli,
  { attach = [], inline = false }: AttachOptions,
): Promise<{ parts?: InputPart[] }> {
  if (inline && attach.length === 0)
    throw new UsageError('--inline says how --attach goes: name a file or an address with it.');
  const mode = inline ? 'inline' : 'file';
  const parts: InputPart[] = [];
  for (const given of attach)
    parts.push(
      /^https?:\/\//i.test(given) ? { type: 'url', url: given, mode } : await fileOf(cli, given, mode),
    );
  return parts.length === 0 ? {} : { parts };
}

async function fileOf(cli: Cli, given: string, mode: 'file' | 'inline'): Promise<InputPart> {
  const path = resolve(cli.folder, given);
  // Its end says what it is.
  const name = basename(path).slice(-100);
  const { size, start } = await lookAt(path, given);
  if (size > mostBytes[mode]) {
    const most = `${toSize(mostBytes[mode])} is the most`;
    throw new UsageError(
      `${given} has ${toSize(size)}, and ${most}${mode === 'inline' ? ' with --inline' : ''}.`,
    );
  }
  const file = await openAsBlob(path, { type: mediaTypeOf(name, start) });
  const { key, mediaType } = await cli.client().putContent(file);
  return { type: 'content', content: key, mediaType, mode, name };
}

async function lookAt(path: string, given: string): Promise<{ size: number; start: Uint8Array }> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      error.code === 'ENOENT' ? `There is no file ${given}.` : `${given} cannot be read (${error.code}).`,
    );
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new UsageError(`${given} is no file.`);
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(startBytes), position: 0 });
    return { size: stat.size, start: buffer.subarray(0, bytesRead) };
  } finally {
    await file.close();
  }
}

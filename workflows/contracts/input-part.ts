// What a message carries beside its words: more text, and files that the run is given or its model sees.
import { z } from 'zod';
import { anyShortText, nameText, shortText, text } from './fields.ts';

/** Of one message: more are a folder, which belongs into a project. */
export const mostParts = 16;

// A worker holds one such file whole while it puts it into place.
export const mostFileBytes = 64 * 2 ** 20;
// Every step sends it anew.
export const mostInlineBytes = 10 * 2 ** 20;

// With the rest of the message it fits into a body of 1 MiB; what is larger goes to POST /contents.
const mostBase64 = 700_000;
// Browsers send no longer ones, and servers take none.
const mostUrl = 8_000;
// PATH_MAX on Linux.
const mostPath = 4_096;

/** How a file reaches the agent. */
export const PartMode = z
  .enum(['file', 'inline'])
  .describe(
    'file, the usual: put where its tools can read it, below `.perdure-attachments/` of where it works. inline: into what ' +
      'its model reads. A model that does not take it ends the run; it is never left out.',
  );

/** `type/subtype` of RFC 9110, without parameters. */
export const mediaType = z
  .string()
  .max(127)
  .regex(/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/, 'must be a media type, such as image/png');

export const contentKey = z.string().regex(/^[0-9a-f]{64}$/, 'must be a content key');

const mode = PartMode.optional();
const name = nameText(100)
  .optional()
  .describe('What it is called; signs that are no letters, digits, dots, - and _ are replaced.');

export const InputPart = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('text'), text }),
    z.strictObject({
      type: z.literal('url'),
      url: z
        .string()
        .max(mostUrl)
        .regex(
          /^https?:\/\/[^\s\\@]+$/i,
          'must be a web address without a user, such as https://example.org/page',
        )
        .describe('Fetched by the worker before the model is asked: from a public address only.'),
      mode,
      name,
    }),
    z.strictObject({
      type: z.literal('file'),
      path: shortText(mostPath).describe('A file of the project, as seen from its directory.'),
      mode,
    }),
    z.strictObject({
      type: z.literal('binary'),
      data: anyShortText(mostBase64)
        .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be Base64')
        .describe('Base64, for what is small.'),
      mediaType,
      mode,
      name,
    }),
    z.strictObject({
      type: z.literal('content'),
      content: contentKey.describe('The key that POST /contents answered with.'),
      mediaType,
      mode,
      name,
    }),
  ])
  .meta({ id: 'InputPart' });
export type InputPart = z.infer<typeof InputPart>;

export const InputParts = z
  .array(InputPart)
  .max(mostParts)
  .describe(
    'What the message carries beside its words. One that cannot be had ends a run that begins with it; of a steer the ' +
      'model is told so.',
  );

/** A part as people read it. */
export const PartView = z
  .object({
    type: z.enum(['text', 'url', 'file', 'binary']),
    mode: PartMode,
    name: z.string(),
    from: z.string().nullable().describe('The address, or the path in the project.'),
    mediaType: z.string().nullable(),
    size: z.int().nullable().describe('In bytes; null: not there yet.'),
    content: z.string().nullable().describe('Its key, for GET /contents/{key}.'),
    problem: z.string().nullable().describe('Why it could not be had.'),
  })
  .meta({ id: 'PartView' });
export type PartView = z.infer<typeof PartView>;

export const ContentView = z
  .object({ key: contentKey, mediaType: z.string(), size: z.int() })
  .meta({ id: 'ContentView' });
export type ContentView = z.infer<typeof ContentView>;

/** Why it is no address that can be fetched, as a clause. */
export function urlProblem(value: string): string | undefined {
  const url = URL.parse(value);
  if (url === null) return 'is no web address; it must look like https://example.org/page';
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'must start with http:// or https://';
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or a password';
  return undefined;
}

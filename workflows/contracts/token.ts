// Tokens of the API: what a person asks for, and what is said about one. Its value is in one answer and nowhere else.
import { z } from 'zod';
import { id, when } from './fields.ts';

/** Name of the token in the file "token" of the data folder; no other token can have this name. */
export const dataFolderTokenName = 'first';

// It is the author in the audit and in events, as in "ci (api)": no brackets, which would fake the part behind it, and
// nothing that cannot be seen.
const namePattern = /^[\p{L}\p{N}]([\p{L}\p{M}\p{N} ._@'-]*[\p{L}\p{M}\p{N}._@'-])?$/u;

export const TokenName = z
  .string()
  .min(1)
  // As long as a line of the audit has room for.
  .max(64)
  .regex(
    namePattern,
    "must begin with a letter or digit, hold only letters, digits, spaces and . _ @ ' -, and not end in a space",
  )
  .refine((name) => name === name.normalize('NFC'), 'must be in the Unicode form NFC')
  .regex(
    new RegExp(`^(?!${dataFolderTokenName}$)`),
    `"${dataFolderTokenName}" is the token of the data folder; use another name`,
  );

export const CreateTokenBody = z
  .strictObject({
    name: TokenName.describe('Who acts with it: the author in the audit. Unique among tokens not revoked.'),
    expiresInDays: z
      .int()
      .min(1)
      // Ten years; what should count for longer is a token without an end.
      .max(3650)
      .optional()
      .describe('It counts for so long; without it, until it is revoked.'),
  })
  .meta({ id: 'CreateTokenBody' });
export type CreateTokenBody = z.infer<typeof CreateTokenBody>;

export const TokenView = z
  .object({
    id,
    name: z.string(),
    state: z.enum(['usable', 'expired', 'revoked']),
    inDataFolder: z.boolean().describe('Its value is in the file "token" of the data folder.'),
    createdAt: when,
    createdBy: z.string(),
    expiresAt: when.nullable(),
    lastUsedAt: when.nullable().describe('Up to a minute old.'),
    revokedAt: when.nullable(),
  })
  .meta({ id: 'TokenView' });
export type TokenView = z.infer<typeof TokenView>;

export const TokenListView = z
  .object({ items: z.array(TokenView), nextCursor: z.string().nullable() })
  .meta({ id: 'TokenListView' });
export type TokenListView = z.infer<typeof TokenListView>;

export const CreatedTokenView = TokenView.extend({
  value: z
    .string()
    .nullable()
    .describe('The token itself. Null when the answer comes again under an Idempotency-Key: it is not kept.'),
  note: z.string().describe('What to do about the value.'),
}).meta({ id: 'CreatedTokenView' });
export type CreatedTokenView = z.infer<typeof CreatedTokenView>;

export const RevokedTokenView = TokenView.extend({
  warning: z.string().nullable().describe('What no longer works without it, and what to do.'),
}).meta({ id: 'RevokedTokenView' });
export type RevokedTokenView = z.infer<typeof RevokedTokenView>;

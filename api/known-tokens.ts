// Whose value a token is, and whether it still counts; remembered for a moment, so that a request costs no look-up. What
// was revoked is forgotten at once: this process hears of it in `forget`, from any process.
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import { findToken, hashOfToken, liveTokens, noteUse } from '../activities/store/access/tokens.ts';
import type { Db } from '../activities/store/db/database.ts';

export interface KnownToken {
  id: string;
  tenantId: string;
  name: string;
}

export interface KnownTokens {
  /** The token of this value; undefined when it does not count. */
  verify(value: string): Promise<KnownToken | undefined>;
  /** Whether the token still counts, for a cookie or a wait that keeps only its id. */
  counts(tokenId: string): Promise<boolean>;
  /** Which of these still count, asked of the database. */
  live(tokenIds: readonly string[]): Promise<Set<string>>;
  /** The token was revoked; without an id, any may have been. */
  forget(tokenId?: string): void;
  close(): Promise<void>;
}

// How long a revoked token may count when the notice is lost: one second under the five that are promised.
const rememberMs = 4_000;
// More tokens than a self-hosted server hands out; beyond it they are only looked up more often.
const rememberTokens = 1_000;
// The first use is noted soon, so that a person who tries a token sees it; after that once a minute is enough.
const firstNoteMs = 1_000;
const noteEveryMs = 60_000;

export function createKnownTokens(input: { db: Db; tenantId: string; logger: Logger }): KnownTokens {
  const { db, tenantId, logger } = input;
  const known = new LRUCache<string, KnownToken & { expiresAt: number }>({
    max: rememberTokens,
    ttl: rememberMs,
  });
  const counting = new LRUCache<string, true>({ max: rememberTokens, ttl: rememberMs });
  let forgotten = 0;
  const used = new Map<string, Date>();
  let timer: NodeJS.Timeout | undefined;
  let notedAt = Number.NEGATIVE_INFINITY;

  async function writeUses(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    notedAt = performance.now();
    const batch = new Map(used);
    used.clear();
    await noteUse(db, tenantId, batch).catch((error: unknown) =>
      logger.debug({ err: error }, 'when tokens were used is not noted; the next use is'),
    );
  }

  function noteUsed(tokenId: string): void {
    used.set(tokenId, new Date());
    const waitMs = Math.max(firstNoteMs, notedAt + noteEveryMs - performance.now());
    timer ??= setTimeout(() => void writeUses(), waitMs).unref();
  }

  async function find(hash: Buffer, key: string): Promise<(KnownToken & { expiresAt: number }) | undefined> {
    const asked = forgotten;
    const row = await findToken(db, tenantId, hash);
    if (!row) return undefined;
    const { id, name, expires_at } = row;
    const found = { id, name, tenantId, expiresAt: expires_at?.getTime() ?? Number.POSITIVE_INFINITY };
    // Revoked while it was looked up: this answer is from before, and must not be remembered.
    if (asked === forgotten) known.set(key, found);
    return found;
  }

  return {
    async verify(value) {
      const hash = hashOfToken(value);
      const key = hash.toString('hex');
      const found = known.get(key) ?? (await find(hash, key));
      if (!found || found.expiresAt <= Date.now()) return undefined;
      noteUsed(found.id);
      const { id, name } = found;
      return { id, name, tenantId };
    },
    async counts(tokenId) {
      if (counting.has(tokenId)) return true;
      const asked = forgotten;
      const counts = (await liveTokens(db, tenantId, [tokenId])).has(tokenId);
      if (counts && asked === forgotten) counting.set(tokenId, true);
      return counts;
    },
    live: (tokenIds) => liveTokens(db, tenantId, tokenIds),
    forget(tokenId) {
      forgotten += 1;
      if (tokenId === undefined) counting.clear();
      else counting.delete(tokenId);
      for (const [key, { id }] of known.entries())
        if (tokenId === undefined || id === tokenId) known.delete(key);
    },
    close: writeUses,
  };
}

// The part of the client about tokens of the API.
import type {
  CreatedTokenView,
  CreateTokenBody,
  RevokedTokenView,
  TokenListView,
} from '../../workflows/contracts/token.ts';
import type { Transport } from './transport.ts';

interface TokenQuery {
  limit?: number;
  cursor?: string;
  /** Those too that are revoked or expired. */
  all?: boolean;
}

export function tokenCalls({ json }: Transport) {
  const revokeToken = (id: string): Promise<RevokedTokenView> =>
    json<RevokedTokenView>('DELETE', `/tokens/${encodeURIComponent(id)}`);
  return {
    tokens: (query?: TokenQuery) => json<TokenListView>('GET', '/tokens', { query: { ...query } }),
    /** With its value, always: when the answer that had it was lost on the way, that token is revoked and another made. */
    async createToken(body: CreateTokenBody): Promise<CreatedTokenView & { value: string }> {
      for (;;) {
        const { value, ...made } = await json<CreatedTokenView>('POST', '/tokens', { body });
        if (value !== null) return { ...made, value };
        await revokeToken(made.id);
      }
    },
    revokeToken,
  };
}

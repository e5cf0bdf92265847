// Tokens: made and revoked. The value of a new one is in the first answer and is stored nowhere.
import { type TokenRow, toTokenView } from '../../activities/store/access/token-lists.ts';
import * as store from '../../activities/store/access/tokens.ts';
import type { CreatedTokenView, CreateTokenBody, RevokedTokenView } from '../../workflows/contracts/token.ts';
import { actorOf, type Verb } from './verb.ts';

const kept = 'Keep the value now: it is shown this once and stored nowhere.';
const gone =
  'The value was in the first answer only and is stored nowhere: if that did not arrive, revoke this token and make another.';

export const createToken: Verb<CreateTokenBody, CreatedTokenView> = async (_parts, write, caller, body) => {
  const { tenantId, by } = actorOf(caller);
  const { name, expiresInDays = null } = body;
  const { row, value } = await store.createToken(write, { tenantId, by, name, expiresInDays });
  return {
    body: { ...toTokenView(row), value: null, note: gone },
    onlyNow: { value, note: kept },
  };
};

/** Again on one that is revoked: the same answer, and nothing happens. */
export const revokeToken: Verb<{ tokenId: string }, RevokedTokenView> = async (
  _parts,
  write,
  caller,
  { tokenId },
) => {
  const { tenantId, by } = actorOf(caller);
  const { row, left } = await store.revokeToken(write, tenantId, tokenId, by);
  return { body: { ...toTokenView(row), warning: warningOf(row, left) } };
};

const remake = '`perdure tokens remake`, called on the machine of the server,';

function warningOf(row: TokenRow, left: number): string | null {
  if (left === 0) return `This was the last usable token: ${remake} makes another.`;
  if (row.in_data_folder)
    return `The command line and the page of the server's own machine used this token: ${remake} makes another for them.`;
  return null;
}

-- Takes an idempotency key for the transaction and reads the answer that is stored under it: read after the lock, since
-- the transaction that held it before may have stored one. Not locked: another one works on the same key right now.
create function claim_key(
  p_lock bigint, p_tenant uuid, p_method text, p_path text, p_key text, p_oldest timestamptz
) returns table (locked boolean, answer idempotency_keys) language plpgsql as $$
begin
  locked := pg_try_advisory_xact_lock(p_lock);
  if locked then
    select stored.* into answer from idempotency_keys stored
    where tenant_id = p_tenant and method = p_method and path = p_path and key = p_key and created_at > p_oldest;
  end if;
  return next;
end $$;

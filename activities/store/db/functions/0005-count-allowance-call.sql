-- Counts a call in the pools with an hourly limit; those that are an hour old are let go of.
create function count_allowance_call(p_pools uuid[], p_at timestamptz) returns void language sql as $$
  update allowances set calls = calls + 1 where id = any(p_pools) and hour_calls > 0;
  insert into allowance_calls (allowance_id, tenant_id, n, at)
  select id, tenant_id, calls, p_at from allowances where id = any(p_pools) and hour_calls > 0;
  -- Two for one: those that a lowered limit left behind go too.
  delete from allowance_calls old using allowances pool where pool.id = any(p_pools)
    and old.allowance_id = pool.id and old.at <= p_at - interval '1 hour' and old.n in (
      select n from allowance_calls where allowance_id = pool.id and n <= pool.calls - pool.hour_calls
      order by n limit 2);
$$;

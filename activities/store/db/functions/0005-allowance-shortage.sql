-- Which pool has too little left, by which limit; null when all fit. More than one call is that many and the sum of
-- what they need.
create function allowance_shortage(
  p_pools uuid[], p_tokens bigint, p_cost bigint, p_day date, p_at timestamptz,
  p_calls integer default 1
) returns jsonb language sql as $$
  select jsonb_build_object('allowanceId', pool.id, 'name', pool.name, 'model', pool.model, 'limit', part.which,
    'allowed', part.allowed, 'used', part.used, 'held', part.held, 'needed', part.needed, 'endsAt', part.ends_at,
    'missing', part.used + part.held + part.needed - part.allowed,
    -- What is only held may yet come back.
    'passing', part.used + part.needed <= part.allowed, 'period', part.period)
  from allowances pool
  cross join lateral (select pool.day = p_day as today) same
  left join lateral (
    select at from allowance_calls where allowance_id = pool.id and n = pool.calls + p_calls - pool.hour_calls
  ) earlier on pool.hour_calls > 0 and earlier.at > p_at - interval '1 hour'
  cross join lateral (values
    (1, 'hourCalls', pool.hour_calls, case when earlier.at is null then 0 else pool.hour_calls end, 0, p_calls,
      earlier.at + interval '1 hour', to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24')),
    (2, 'dayTokens', pool.day_tokens, case when today then pool.day_used_tokens else 0 end,
      case when today then pool.day_held_tokens else 0 end, p_tokens,
      (p_day + 1)::timestamp at time zone 'UTC', p_day::text),
    (3, 'dayCostMicros', pool.day_cost_micros, case when today then pool.day_used_cost_micros else 0 end,
      case when today then pool.day_held_cost_micros else 0 end, p_cost,
      (p_day + 1)::timestamp at time zone 'UTC', p_day::text),
    (4, 'tokens', pool.tokens, pool.used_tokens, pool.held_tokens, p_tokens, null, ''),
    (5, 'costMicros', pool.cost_micros, pool.used_cost_micros, pool.held_cost_micros, p_cost, null, '')
  ) given (rank, which, granted, used, held, needed, ends_at, period)
  -- Without a limit the counters still end where numbers stop being exact.
  cross join lateral (select given.*, coalesce(nullif(given.granted, 0), 9007199254740991) as allowed) part
  where pool.id = any(p_pools) and part.used + part.held + part.needed > part.allowed
  order by part.rank, pool.id limit 1
$$;

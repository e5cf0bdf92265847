-- Whether the call that a run waits for would fit by now, and beside those of runs that were told of room a moment ago
-- and have not drawn yet: no more are told than fit. The reservation decides in the end.
create function allowance_has_room(p_run uuid, p_at timestamptz) returns boolean language sql as $$
  select not exists (
    select from allowance_waits waits
    join allowances pool on pool.id = any(waits.pools)
    cross join lateral (
      select count(*) as calls, coalesce(sum(other.tokens), 0) as tokens,
        coalesce(sum(other.cost_micros), 0) as cost_micros
      from allowance_waits other
      -- Whoever has not drawn for a minute waits for something else.
      where other.granted_at > p_at - interval '1 minute' and other.run_id <> p_run
        and pool.id = any(other.pools) and not exists (
          select from allowance_entries entry
          where entry.run_id = other.run_id and entry.closes = false and entry.at >= other.granted_at)
    ) promised
    where waits.run_id = p_run and allowance_shortage(array[pool.id], waits.tokens + promised.tokens::bigint,
      waits.cost_micros + promised.cost_micros::bigint, greatest(pool.day, (p_at at time zone 'UTC')::date), p_at,
      1 + promised.calls::integer) is not null
  )
$$;

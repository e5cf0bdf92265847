-- Closes a reservation with what was used. The pools are those it was made in. `p_possible` is what the call may have
-- cost beside that, at most: it is kept with the entry and drawn from no pool.
create function settle_allowance(
  p_tenant uuid, p_run uuid, p_step integer, p_attempt integer, p_input bigint, p_cached bigint,
  p_output bigint, p_cost bigint, p_estimated boolean, p_possible bigint, p_reason text,
  p_at timestamptz
) returns jsonb language plpgsql as $$
declare
  v_tokens bigint := p_input + p_output;
  v_held allowance_entries%rowtype;
  v_pool allowances%rowtype;
  v_charged integer; v_near boolean;
  v_crossed jsonb := '[]';
begin
  select * into v_held from allowance_entries
  where run_id = p_run and step = p_step and attempt = p_attempt and closes = false;
  if not found or v_held.tenant_id <> p_tenant then return jsonb_build_object('kind', 'unreserved'); end if;
  perform from allowances where id = any(v_held.allowances) order by id for no key update;
  insert into allowance_entries (tenant_id, kind, at, day, run_id, step, attempt, model, allowances, tokens,
    input_tokens, cached_input_tokens, output_tokens, cost_micros, estimated, possible_cost_micros, closes, by, reason)
  select p_tenant, 'settle', coalesce(p_at, clock_timestamp()), v_held.day, p_run, p_step, p_attempt, v_held.model,
    v_held.allowances, v_tokens, p_input, p_cached, p_output, p_cost, p_estimated, p_possible, true, 'allowances',
    p_reason
  where not exists (
    select from allowance_entries
    where run_id = p_run and step = p_step and attempt = p_attempt and closes = true
  );
  if not found then return jsonb_build_object('kind', 'closed', 'crossed', v_crossed); end if;
  with charged as (
    update allowances set
      held_tokens = held_tokens - v_held.tokens,
      held_cost_micros = held_cost_micros - v_held.cost_micros,
      used_tokens = used_tokens + v_tokens,
      used_cost_micros = used_cost_micros + p_cost,
      day_held_tokens = day_held_tokens - v_held.tokens,
      day_held_cost_micros = day_held_cost_micros - v_held.cost_micros,
      day_used_tokens = day_used_tokens + v_tokens,
      day_used_cost_micros = day_used_cost_micros + p_cost
    where id = any(v_held.allowances) and day = v_held.day
    returning (day_tokens > 0 and day_used_tokens * 5 >= day_tokens * 4)
      or (day_cost_micros > 0 and day_used_cost_micros * 5 >= day_cost_micros * 4)
      or (tokens > 0 and used_tokens * 5 >= tokens * 4)
      or (cost_micros > 0 and used_cost_micros * 5 >= cost_micros * 4) as near
  )
  select count(*), coalesce(bool_or(near), false) into v_charged, v_near from charged;
  -- Where another day has begun, what it held and used of its own day is gone with that day.
  if v_charged < cardinality(v_held.allowances) then
    v_near := true;
    update allowances set
      held_tokens = held_tokens - v_held.tokens,
      held_cost_micros = held_cost_micros - v_held.cost_micros,
      used_tokens = used_tokens + v_tokens,
      used_cost_micros = used_cost_micros + p_cost
    where id = any(v_held.allowances) and day <> v_held.day;
  end if;
  if v_near then
    for v_pool in select * from allowances where id = any(v_held.allowances) order by id loop
      v_crossed := v_crossed || allowance_crossings(v_pool, p_run);
    end loop;
  end if;
  return jsonb_build_object('kind', 'settled', 'crossed', v_crossed);
end $$;

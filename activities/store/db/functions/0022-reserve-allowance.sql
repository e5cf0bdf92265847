-- Reserves the worst case of a call in every pool of the run's chain, or in none. `p_prompt_cost` is the part of the cost
-- that the prompt has; null where that is not known. A run has one model call at a time:
-- what an earlier attempt of it left open is dead and settled on the way. A zombie that reserves in the very moment
-- its successor does is settled when the run ends.
create function reserve_allowance(
  p_tenant uuid, p_run uuid, p_step integer, p_attempt integer, p_model text, p_input bigint, p_output bigint,
  p_cost bigint, p_prompt_cost bigint, p_at timestamptz
) returns jsonb language plpgsql as $$
declare
  v_most constant bigint := 9007199254740991;
  v_models text[] := array['', p_model, split_part(p_model, '/', 1) || '/*'];
  v_tokens bigint := p_input + p_output;
  v_at timestamptz; v_day date;
  v_run record; v_chain record;
  v_short jsonb;
  v_crossed jsonb := '[]';
begin
  -- What closes a reservation comes right after it: the last entry says whether the last one is open.
  select account.tenant_id, account.state, account.chain, last.step, last.attempt, last.closes as closed into v_run
  from allowance_runs account left join lateral (
    select step, attempt, closes from allowance_entries
    where run_id = p_run and step is not null order by step desc, attempt desc, closes desc limit 1
  ) last on true
  where account.run_id = p_run;
  if not found or v_run.tenant_id <> p_tenant or v_run.state <> 'running' then
    return jsonb_build_object('kind', 'denied', 'crossed', v_crossed,
      'why', case when v_run.tenant_id = p_tenant then v_run.state else 'unknown' end);
  end if;
  if v_run.step is not null and (v_run.step, v_run.attempt) >= (p_step, p_attempt) then
    return jsonb_build_object('crossed', v_crossed, 'kind', case
      when (v_run.step, v_run.attempt) = (p_step, p_attempt) and not v_run.closed then 'reserved' else 'closed' end);
  end if;
  if v_run.step is not null and not v_run.closed then
    -- Of all models: the dead attempt may have drawn from others than this one does.
    perform from allowances where tenant_id = p_tenant and name = any(v_run.chain) order by id for no key update;
    v_crossed := settle_lost_allowance(p_tenant, p_run, v_run.step, v_run.attempt, p_at) -> 'crossed';
  end if;
  select coalesce(array_agg(id), '{}') as ids, max(day) as day, min(day) as oldest,
    coalesce(bool_or(name = 'tenant' and model = ''), false) as tenant, bool_or(hour_calls > 0) as hours,
    min(name) filter (where models <> '{}' and not models && v_models) as closed_to,
    -- May be true of a day that is over; allowance_shortage looks closer.
    bool_or(hour_calls > 0
      or used_tokens + held_tokens + v_tokens > coalesce(nullif(tokens, 0), v_most)
      or used_cost_micros + held_cost_micros + p_cost > coalesce(nullif(cost_micros, 0), v_most)
      or day_used_tokens + day_held_tokens + v_tokens > coalesce(nullif(day_tokens, 0), v_most)
      or day_used_cost_micros + day_held_cost_micros + p_cost > coalesce(nullif(day_cost_micros, 0), v_most)
    ) as tight into v_chain
  from (
    select * from allowances where tenant_id = p_tenant and name = any(v_run.chain) and model = any(v_models)
    order by id for no key update
  ) pool;
  if not v_chain.tenant or v_chain.closed_to is not null then
    return jsonb_build_object('kind', 'denied', 'crossed', v_crossed, 'name', v_chain.closed_to,
      'why', case when v_chain.tenant then 'model' else 'tenant' end);
  end if;
  -- After the wait for the locks, so that calls are numbered in the order of their times.
  v_at := coalesce(p_at, clock_timestamp());
  v_day := greatest(v_chain.day, (v_at at time zone 'UTC')::date);
  if v_chain.tight then v_short := allowance_shortage(v_chain.ids, v_tokens, p_cost, v_day, v_at); end if;
  if v_short is not null then
    insert into allowance_waits (run_id, tenant_id, allowance_id, since, tokens, cost_micros, pools)
    values (p_run, p_tenant, (v_short ->> 'allowanceId')::uuid, v_at, v_tokens, p_cost, v_chain.ids)
    on conflict (run_id) do update set allowance_id = excluded.allowance_id, since = excluded.since,
      tokens = excluded.tokens, cost_micros = excluded.cost_micros, pools = excluded.pools, granted_at = null;
    if not (v_short -> 'passing')::boolean
      and tell_allowance((v_short ->> 'allowanceId')::uuid, v_short ->> 'limit', 100, v_short ->> 'period')
    then
      v_crossed := v_crossed || keep_allowance_crossing(p_tenant, p_run,
        v_short - '{held,needed,missing,passing,endsAt}'::text[] || '{"percent": 100}');
    end if;
    return v_short - 'period' || jsonb_build_object('kind', 'exceeded', 'crossed', v_crossed);
  end if;
  insert into allowance_entries (tenant_id, kind, at, day, run_id, step, attempt, model, allowances, tokens,
    input_tokens, output_tokens, cost_micros, prompt_cost_micros, estimated, closes, by, reason)
  select p_tenant, 'reserve', v_at, v_day, p_run, p_step, p_attempt, p_model, v_chain.ids, v_tokens,
    p_input, p_output, p_cost, p_prompt_cost, true, false, 'allowances', 'The worst case of the call.'
  -- The run may have ended while the locks were waited for: nothing would settle this.
  from allowance_runs where run_id = p_run and state = 'running' and not exists (
    select from allowance_entries
    where run_id = p_run and step = p_step and attempt = p_attempt and closes = false
  );
  if not found then
    return reserve_allowance(p_tenant, p_run, p_step, p_attempt, p_model, p_input, p_output, p_cost,
      p_prompt_cost, p_at);
  end if;
  if v_chain.oldest < v_day then
    update allowances set day = v_day, day_used_tokens = 0, day_used_cost_micros = 0, day_held_tokens = 0,
      day_held_cost_micros = 0
    where id = any(v_chain.ids) and day <> v_day;
  end if;
  update allowances set
    held_tokens = held_tokens + v_tokens,
    held_cost_micros = held_cost_micros + p_cost,
    day_held_tokens = day_held_tokens + v_tokens,
    day_held_cost_micros = day_held_cost_micros + p_cost
  where id = any(v_chain.ids);
  if v_chain.hours then perform count_allowance_call(v_chain.ids, v_at); end if;
  return jsonb_build_object('kind', 'reserved', 'crossed', v_crossed);
end $$;

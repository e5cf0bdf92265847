// Drawing on allowances, as functions of the database: the tenant's pool is drawn on by every model call, so its lock
// must not be held over round trips. Pools are locked in the order of their ids before anything is decided. Plans are
// made once, in empty tables: a query names no column besides those of the index it needs.
import { type Kysely, sql } from 'kysely';

// Closes a reservation with what was used. The pools are those it was made in.
const settle = `
  create function settle_allowance(
    p_tenant uuid, p_run uuid, p_step integer, p_attempt integer, p_input bigint, p_cached bigint,
    p_output bigint, p_cost bigint, p_estimated boolean, p_reason text, p_at timestamptz
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
      input_tokens, cached_input_tokens, output_tokens, cost_micros, estimated, closes, by, reason)
    select p_tenant, 'settle', coalesce(p_at, clock_timestamp()), v_held.day, p_run, p_step, p_attempt, v_held.model,
      v_held.allowances, v_tokens, p_input, p_cached, p_output, p_cost, p_estimated, true, 'allowances', p_reason
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
  end $$`;

// Closes what a dead attempt left open: with what was booked for it if somebody knew, else with its worst case.
const settleLost = `
  create function settle_lost_allowance(
    p_tenant uuid, p_run uuid, p_step integer, p_attempt integer, p_at timestamptz
  ) returns jsonb language sql as $$
    select settle_allowance(p_tenant, p_run, p_step, p_attempt,
      coalesce(booked.input_tokens, held.input_tokens), coalesce(booked.cached_input_tokens, 0),
      coalesce(booked.output_tokens, held.output_tokens), coalesce(booked.cost_micros, held.cost_micros),
      coalesce(booked.estimated, true), case when booked.run_id is null
        then 'The attempt died: its worst case.' else 'What was booked for the attempt.' end, p_at)
    from allowance_entries held left join model_calls booked
      on booked.run_id = held.run_id and booked.step = held.step and booked.attempt = held.attempt
      -- Booked by others, out of what was streamed, it is a lower bound.
      and not (booked.status = 'failed' and booked.estimated)
    where held.run_id = p_run and held.step = p_step and held.attempt = p_attempt and held.closes = false
  $$`;

// Which pool has too little left, by which limit; null when all fit. More than one call is that many and the sum of
// what they need.
const shortage = `
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
  $$`;

// Counts a call in the pools with an hourly limit; those that are an hour old are let go of.
const countCall = `
  create function count_allowance_call(p_pools uuid[], p_at timestamptz) returns void language sql as $$
    update allowances set calls = calls + 1 where id = any(p_pools) and hour_calls > 0;
    insert into allowance_calls (allowance_id, tenant_id, n, at)
    select id, tenant_id, calls, p_at from allowances where id = any(p_pools) and hour_calls > 0;
    -- Two for one: those that a lowered limit left behind go too.
    delete from allowance_calls old using allowances pool where pool.id = any(p_pools)
      and old.allowance_id = pool.id and old.at <= p_at - interval '1 hour' and old.n in (
        select n from allowance_calls where allowance_id = pool.id and n <= pool.calls - pool.hour_calls
        order by n limit 2);
  $$`;

// Reserves the worst case of a call in every pool of the run's chain, or in none. A run has one model call at a time:
// what an earlier attempt of it left open is dead and settled on the way. A zombie that reserves in the very moment
// its successor does is settled when the run ends.
const reserve = `
  create function reserve_allowance(
    p_tenant uuid, p_run uuid, p_step integer, p_attempt integer, p_model text, p_input bigint, p_output bigint,
    p_cost bigint, p_at timestamptz
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
      -- May be true of a day that is over; whoever looks closer knows.
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
      input_tokens, output_tokens, cost_micros, estimated, closes, by, reason)
    select p_tenant, 'reserve', v_at, v_day, p_run, p_step, p_attempt, p_model, v_chain.ids, v_tokens,
      p_input, p_output, p_cost, true, false, 'allowances', 'The worst case of the call.'
    -- It may have ended while the locks were waited for: nobody would settle this.
    from allowance_runs where run_id = p_run and state = 'running' and not exists (
      select from allowance_entries
      where run_id = p_run and step = p_step and attempt = p_attempt and closes = false
    );
    if not found then
      return reserve_allowance(p_tenant, p_run, p_step, p_attempt, p_model, p_input, p_output, p_cost, p_at);
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
  end $$`;

// The account of a run that has ended: what is open is settled, and the tokens that come back are given back.
const closeRun = `
  create function close_run_allowance(p_tenant uuid, p_run uuid, p_at timestamptz)
  returns jsonb language plpgsql as $$
  declare
    v_status text;
    v_open record;
    v_crossed jsonb := '[]';
  begin
    perform from allowances
    where tenant_id = p_tenant and name = any(array(select unnest(chain) from allowance_runs where run_id = p_run))
    order by id for no key update;
    select runs.status into v_status from allowance_runs account join runs on runs.id = account.run_id
    where account.run_id = p_run and account.tenant_id = p_tenant and account.state = 'ended' and closed_at is null;
    if not found then return jsonb_build_object('kind', 'closed', 'crossed', v_crossed); end if;
    for v_open in
      select step, attempt from allowance_entries held
      where run_id = p_run and kind = 'reserve' and not exists (
        select from allowance_entries closing where closing.run_id = p_run and closing.step = held.step
          and closing.attempt = held.attempt and closing.closes = true)
      order by step, attempt
    loop
      v_crossed := v_crossed
        || (settle_lost_allowance(p_tenant, p_run, v_open.step, v_open.attempt, p_at) -> 'crossed');
    end loop;
    -- Of money nothing comes back: it is spent.
    if v_status in ('failed', 'cancelled') then
      with refunded as (
        insert into allowance_entries (tenant_id, kind, at, day, run_id, model, allowances, tokens, by, reason)
        select p_tenant, 'refund', coalesce(p_at, clock_timestamp()), day, p_run, model, allowances,
          div(sum(tokens), case v_status when 'failed' then 2 else 1 end), 'allowances', case v_status
            when 'failed' then 'The run failed: half of its tokens.' else 'The run was cancelled: its tokens.' end
        from allowance_entries where run_id = p_run and kind = 'settle' group by day, model, allowances
        having div(sum(tokens), case v_status when 'failed' then 2 else 1 end) > 0
        returning day, allowances, tokens
      )
      update allowances pool set (used_tokens, day_used_tokens) = (
        select greatest(pool.used_tokens - sum(refunded.tokens), 0),
          greatest(pool.day_used_tokens - coalesce(sum(refunded.tokens) filter (where refunded.day = pool.day), 0), 0)
        from refunded where pool.id = any(refunded.allowances)
      )
      where pool.id in (select unnest(refunded.allowances) from refunded);
    end if;
    delete from allowance_waits where run_id = p_run;
    update allowance_runs set closed_at = coalesce(p_at, clock_timestamp()) where run_id = p_run;
    return jsonb_build_object('kind', 'settled', 'crossed', v_crossed);
  end $$`;

const functions = [settle, settleLost, shortage, countCall, reserve, closeRun];

const names =
  'close_run_allowance, reserve_allowance, count_allowance_call, allowance_shortage, ' +
  'settle_lost_allowance, settle_allowance';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const text of functions) await sql.raw(text).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw(`drop function ${names}`).execute(db);
}

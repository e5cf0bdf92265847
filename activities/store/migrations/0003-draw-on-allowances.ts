// Drawing on allowances, as functions of the database: the tenant's pool is drawn on by every model call, so its lock
// must not be held over round trips. Each locks the pools in the order of their ids before it looks at anything.
import { type Kysely, sql } from 'kysely';

// Marks a threshold as told; true the first time in its period. Whoever hears of 100 need not hear of 80 any more.
const tell = `
  create function tell_allowance(p_id uuid, p_limit text, p_percent integer, p_period text)
  returns boolean language plpgsql as $$
  declare
    v_mark text := p_limit || '/' || p_percent || '/' || p_period;
  begin
    update allowances set told = array(
        select one from unnest(told) one
        where split_part(one, '/', 1) <> p_limit or split_part(one, '/', 3) = p_period
      ) || v_mark || case when p_percent = 100 then array[p_limit || '/80/' || p_period] else '{}' end
    where id = p_id and not v_mark = any(told);
    return found;
  end $$`;

// Closes a reservation with what was used, or with nothing. The pools are those it was made in.
const settle = `
  create function settle_allowance(
    p_tenant uuid, p_run uuid, p_step integer, p_attempt integer, p_kind text, p_input bigint, p_cached bigint,
    p_output bigint, p_cost bigint, p_estimated boolean, p_reason text, p_at timestamptz
  ) returns jsonb language plpgsql as $$
  declare
    v_most constant bigint := 9007199254740991;
    v_held allowance_entries%rowtype;
    v_one record;
    v_crossed jsonb := '[]';
  begin
    select * into v_held from allowance_entries
    where run_id = p_run and step = p_step and attempt = p_attempt and not closes and tenant_id = p_tenant;
    if not found then return jsonb_build_object('kind', 'unreserved', 'crossed', v_crossed); end if;
    perform from allowances where id = any(v_held.allowances) order by id for no key update;
    insert into allowance_entries (tenant_id, kind, at, day, run_id, step, attempt, model, allowances, tokens,
      input_tokens, cached_input_tokens, output_tokens, cost_micros, estimated, by, reason)
    values (p_tenant, p_kind, coalesce(p_at, clock_timestamp()), v_held.day, p_run, p_step, p_attempt, v_held.model,
      v_held.allowances, p_input + p_output, p_input, p_cached, p_output, p_cost, p_estimated, 'allowances', p_reason)
    on conflict (run_id, step, attempt, closes) do nothing;
    if not found then return jsonb_build_object('kind', 'closed', 'crossed', v_crossed); end if;
    for v_one in
      with charged as (
        update allowances set
          held_tokens = held_tokens - v_held.tokens,
          held_cost_micros = held_cost_micros - v_held.cost_micros,
          used_tokens = least(used_tokens + p_input + p_output, v_most),
          used_cost_micros = least(used_cost_micros + p_cost, v_most),
          day_held_tokens = day_held_tokens - case when day = v_held.day then v_held.tokens else 0 end,
          day_held_cost_micros = day_held_cost_micros - case when day = v_held.day then v_held.cost_micros else 0 end,
          day_used_tokens = least(
            day_used_tokens + case when day = v_held.day then p_input + p_output else 0 end, v_most),
          day_used_cost_micros = least(
            day_used_cost_micros + case when day = v_held.day then p_cost else 0 end, v_most)
        where id = any(v_held.allowances) returning *
      )
      select pool.id, pool.name, pool.model, part.*,
        case when part.used >= part.allowed then 100 else 80 end as percent
      from charged pool cross join lateral (values
        ('dayTokens', pool.day_tokens, pool.day_used_tokens, pool.day::text),
        ('dayCostMicros', pool.day_cost_micros, pool.day_used_cost_micros, pool.day::text),
        ('tokens', pool.tokens, pool.used_tokens, ''),
        ('costMicros', pool.cost_micros, pool.used_cost_micros, '')
      ) part (which, allowed, used, period)
      where part.allowed > 0 and part.used * 5 >= part.allowed * 4
      order by pool.id
    loop
      if tell_allowance(v_one.id, v_one.which, v_one.percent, v_one.period) then
        v_crossed := v_crossed || jsonb_build_object('allowanceId', v_one.id, 'name', v_one.name,
          'model', v_one.model, 'limit', v_one.which, 'percent', v_one.percent, 'used', v_one.used,
          'allowed', v_one.allowed, 'period', v_one.period);
      end if;
    end loop;
    return jsonb_build_object('kind', 'settled', 'crossed', v_crossed);
  end $$`;

// Closes what a dead attempt left open: with what was booked for it if somebody knew, else with its worst case.
const settleLost = `
  create function settle_lost_allowance(
    p_tenant uuid, p_run uuid, p_step integer, p_attempt integer, p_at timestamptz
  ) returns jsonb language sql as $$
    select settle_allowance(p_tenant, p_run, p_step, p_attempt, 'settle',
      coalesce(booked.input_tokens, held.input_tokens), coalesce(booked.cached_input_tokens, 0),
      coalesce(booked.output_tokens, held.output_tokens), coalesce(booked.cost_micros, held.cost_micros),
      coalesce(booked.estimated, true), case when booked.run_id is null
        then 'The attempt died: its worst case.' else 'What was booked for the attempt.' end, p_at)
    from allowance_entries held left join model_calls booked
      on booked.run_id = held.run_id and booked.step = held.step and booked.attempt = held.attempt
      -- Booked by others, out of what was streamed, it is a lower bound.
      and not (booked.status = 'failed' and booked.estimated)
    where held.run_id = p_run and held.step = p_step and held.attempt = p_attempt and not held.closes
      and held.tenant_id = p_tenant
  $$`;

// Reserves the worst case of a call in every pool of the run's chain, or in none. A run has one model call at a time:
// what an earlier attempt of it left open is dead and settled on the way.
const reserve = `
  create function reserve_allowance(
    p_tenant uuid, p_run uuid, p_step integer, p_attempt integer, p_model text, p_input bigint, p_output bigint,
    p_cost bigint, p_at timestamptz
  ) returns jsonb language plpgsql as $$
  declare
    v_models text[] := array['', p_model, split_part(p_model, '/', 1) || '/*'];
    v_tokens bigint := p_input + p_output;
    v_at timestamptz;
    v_midnight timestamptz;
    v_run record;
    v_chain record;
    v_full record;
    v_crossed jsonb := '[]';
  begin
    -- Those of other models too: what a dead attempt holds may be in them.
    perform from allowance_places place
    join allowances pool on pool.tenant_id = place.tenant_id and pool.name = place.name
    where place.run_id = p_run and place.tenant_id = p_tenant order by pool.id for no key update of pool;
    -- After the wait for the locks, so that calls are numbered in the order of their times.
    v_at := coalesce(p_at, clock_timestamp());
    select run.state, waits.run_id is not null as waits, last.step, last.attempt, exists (
      select from allowance_entries entry
      where entry.run_id = p_run and entry.step = last.step and entry.attempt = last.attempt and entry.closes
    ) as closed into v_run
    from allowance_runs run
    left join allowance_waits waits on waits.run_id = run.run_id
    left join lateral (
      select step, attempt from allowance_entries
      where run_id = p_run and step is not null and not closes order by step desc, attempt desc limit 1
    ) last on true
    where run.run_id = p_run and run.tenant_id = p_tenant;
    if not found or v_run.state <> 'running' then
      return jsonb_build_object('kind', 'denied', 'why', coalesce(v_run.state, 'unknown'), 'crossed', v_crossed);
    end if;
    if v_run.step is not null and (v_run.step, v_run.attempt) >= (p_step, p_attempt) then
      return jsonb_build_object('crossed', v_crossed, 'kind', case
        when (v_run.step, v_run.attempt) = (p_step, p_attempt) and not v_run.closed then 'reserved' else 'closed' end);
    end if;
    if v_run.step is not null and not v_run.closed then
      v_crossed := settle_lost_allowance(p_tenant, p_run, v_run.step, v_run.attempt, p_at) -> 'crossed';
    end if;
    select coalesce(array_agg(pool.id order by pool.id), '{}') as ids,
      greatest(max(pool.day), (v_at at time zone 'UTC')::date) as day,
      coalesce(bool_or(pool.name = 'tenant' and pool.model = ''), false) as tenant,
      coalesce(bool_or(pool.hour_calls > 0), false) as hours,
      min(pool.name) filter (where pool.models <> '{}' and not pool.models && v_models) as closed_to into v_chain
    from allowance_places place
    join allowances pool on pool.tenant_id = place.tenant_id and pool.name = place.name
    where place.run_id = p_run and pool.model = any(v_models);
    if not v_chain.tenant or v_chain.closed_to is not null then
      return jsonb_build_object('kind', 'denied', 'crossed', v_crossed, 'name', v_chain.closed_to,
        'why', case when v_chain.tenant then 'model' else 'tenant' end);
    end if;
    v_midnight := (v_chain.day + 1)::timestamp at time zone 'UTC';
    select pool.id, pool.name, pool.model, part.*, part.used + part.needed > part.allowed as exhausted into v_full
    from allowances pool
    left join allowance_calls earlier on pool.hour_calls > 0 and earlier.allowance_id = pool.id
      and earlier.n = pool.calls + 1 - pool.hour_calls and earlier.at > v_at - interval '1 hour'
    cross join lateral (values
      (1, 'hourCalls', pool.hour_calls, case when earlier.n is null then 0 else pool.hour_calls end, 0, 1,
        earlier.at + interval '1 hour', to_char(v_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24')),
      (2, 'dayTokens', pool.day_tokens, case when pool.day = v_chain.day then pool.day_used_tokens else 0 end,
        case when pool.day = v_chain.day then pool.day_held_tokens else 0 end, v_tokens, v_midnight,
        v_chain.day::text),
      (3, 'dayCostMicros', pool.day_cost_micros,
        case when pool.day = v_chain.day then pool.day_used_cost_micros else 0 end,
        case when pool.day = v_chain.day then pool.day_held_cost_micros else 0 end, p_cost, v_midnight,
        v_chain.day::text),
      (4, 'tokens', pool.tokens, pool.used_tokens, pool.held_tokens, v_tokens, null, ''),
      (5, 'costMicros', pool.cost_micros, pool.used_cost_micros, pool.held_cost_micros, p_cost, null, '')
    ) given (rank, which, granted, used, held, needed, ends_at, period)
    -- Without a limit the counters still end where numbers stop being exact.
    cross join lateral (select given.*, coalesce(nullif(given.granted, 0), 9007199254740991) as allowed) part
    where pool.id = any(v_chain.ids) and part.used + part.held + part.needed > part.allowed
    order by part.rank, pool.id limit 1;
    if found then
      insert into allowance_waits (run_id, tenant_id, allowance_id, since) values (p_run, p_tenant, v_full.id, v_at)
      on conflict (run_id) do update set allowance_id = excluded.allowance_id;
      -- What is only held may yet come back.
      if v_full.exhausted and tell_allowance(v_full.id, v_full.which, 100, v_full.period) then
        v_crossed := v_crossed || jsonb_build_object('allowanceId', v_full.id, 'name', v_full.name,
          'model', v_full.model, 'limit', v_full.which, 'percent', 100, 'used', v_full.used,
          'allowed', v_full.allowed, 'period', v_full.period);
      end if;
      return jsonb_build_object('kind', 'exceeded', 'crossed', v_crossed, 'allowanceId', v_full.id,
        'name', v_full.name, 'model', v_full.model, 'limit', v_full.which, 'allowed', v_full.allowed,
        'used', v_full.used, 'held', v_full.held, 'needed', v_full.needed, 'endsAt', v_full.ends_at,
        'missing', v_full.used + v_full.held + v_full.needed - v_full.allowed, 'passing', not v_full.exhausted);
    end if;
    update allowances set
      held_tokens = held_tokens + v_tokens,
      held_cost_micros = held_cost_micros + p_cost,
      day = v_chain.day,
      day_used_tokens = case when day = v_chain.day then day_used_tokens else 0 end,
      day_used_cost_micros = case when day = v_chain.day then day_used_cost_micros else 0 end,
      day_held_tokens = case when day = v_chain.day then day_held_tokens else 0 end + v_tokens,
      day_held_cost_micros = case when day = v_chain.day then day_held_cost_micros else 0 end + p_cost,
      calls = calls + (hour_calls > 0)::integer
    where id = any(v_chain.ids);
    insert into allowance_entries (tenant_id, kind, at, day, run_id, step, attempt, model, allowances, tokens,
      input_tokens, output_tokens, cost_micros, estimated, by, reason)
    values (p_tenant, 'reserve', v_at, v_chain.day, p_run, p_step, p_attempt, p_model, v_chain.ids, v_tokens,
      p_input, p_output, p_cost, true, 'allowances', 'The worst case of the call.');
    if v_chain.hours then
      insert into allowance_calls (allowance_id, tenant_id, n, at)
      select id, tenant_id, calls, v_at from allowances where id = any(v_chain.ids) and hour_calls > 0;
      -- Two for one: those that a lowered limit left behind go too.
      delete from allowance_calls old using allowances pool where pool.id = any(v_chain.ids)
        and old.allowance_id = pool.id and old.at <= v_at - interval '1 hour' and old.n in (
          select n from allowance_calls where allowance_id = pool.id and n <= pool.calls - pool.hour_calls
          order by n limit 2);
    end if;
    if v_run.waits then delete from allowance_waits where run_id = p_run; end if;
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
    perform from allowance_places place
    join allowances pool on pool.tenant_id = place.tenant_id and pool.name = place.name
    where place.run_id = p_run and place.tenant_id = p_tenant order by pool.id for no key update of pool;
    select runs.status into v_status from allowance_runs account join runs on runs.id = account.run_id
    where account.run_id = p_run and account.tenant_id = p_tenant and account.state = 'ended' and closed_at is null;
    if not found then return jsonb_build_object('kind', 'closed', 'crossed', v_crossed); end if;
    for v_open in
      select step, attempt from allowance_entries held
      where run_id = p_run and kind = 'reserve' and not exists (
        select from allowance_entries closing where closing.run_id = p_run and closing.step = held.step
          and closing.attempt = held.attempt and closing.closes)
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

const functions = [
  ['tell_allowance', tell],
  ['settle_allowance', settle],
  ['settle_lost_allowance', settleLost],
  ['reserve_allowance', reserve],
  ['close_run_allowance', closeRun],
] as const;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [, text] of functions) await sql.raw(text).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const [name] of functions.toReversed()) await sql.raw(`drop function ${name}`).execute(db);
}

-- The account of a run that has ended: what is open is settled, and the tokens that come back are given back.
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
end $$;

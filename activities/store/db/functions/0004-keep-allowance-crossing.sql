-- Keeps a crossing until an event says so. It is marked as told by now: nobody reaches it again in its period.
create function keep_allowance_crossing(p_tenant uuid, p_run uuid, p_crossing jsonb)
returns jsonb language sql as $$
  insert into allowance_untold (allowance_id, mark, tenant_id, run_id, crossing)
  values ((p_crossing ->> 'allowanceId')::uuid,
    concat_ws('/', p_crossing ->> 'limit', p_crossing ->> 'percent', p_crossing ->> 'period'),
    p_tenant, p_run, p_crossing)
  on conflict (allowance_id, mark) do update set crossing = excluded.crossing, run_id = excluded.run_id
  returning crossing
$$;

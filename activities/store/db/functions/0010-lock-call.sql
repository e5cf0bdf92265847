-- Locks the run of a call, and reads the call as lock_run does what waits for the run.
create function lock_call(p_tenant uuid, p_run uuid, p_call text)
returns table (run runs, waiting jsonb, fences jsonb, call jsonb) language plpgsql as $$
declare
  v_locked record;
begin
  select * into v_locked from lock_run(p_tenant, p_run, false);
  if not found then return; end if;
  run := v_locked.run;
  waiting := v_locked.waiting;
  fences := v_locked.fences;
  select to_jsonb(calls) into call from calls where run_id = p_run and call_id = p_call and tenant_id = p_tenant;
  return next;
end $$;

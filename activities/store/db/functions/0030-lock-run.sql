-- Locks a run, its conversation before it where the run may end or another begin, and says what waits for the run
-- and which attempts hold its fences: in one round trip, and read once the locks are there. A statement that waited
-- would show what was there before. What waits is what people sent, and the run's subagents: `child` is at work,
-- `report` has ended and is told in a message, `result` has ended and is the result of the call it names.
create function lock_run(p_tenant uuid, p_run uuid, p_conversation boolean)
returns table (run runs, waiting jsonb, fences jsonb) language plpgsql as $$
begin
  if p_conversation then
    perform from conversations where id = (select conversation_id from runs where id = p_run and tenant_id = p_tenant)
    for no key update;
  end if;
  select runs.* into run from runs where id = p_run and tenant_id = p_tenant for no key update;
  if not found then return; end if;
  select coalesce(jsonb_agg(to_jsonb(input) order by input.id), '[]') into waiting
  from (
    select id, kind, message_id, text from inputs where run_id = p_run and status = 'accepted'
    union all
    select child_id, case when state = 'working' then 'child' when async then 'report' else 'result' end,
      child_id::text, call_id
    from delegations where parent_id = p_run and state in ('working', 'reported')
  ) input;
  select coalesce((select head.fences from stream_heads head where stream = 'run/' || p_run), '{}') into fences;
  return next;
end $$;

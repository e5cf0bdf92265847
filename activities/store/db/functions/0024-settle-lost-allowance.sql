-- Closes what a dead attempt left open: with what was booked for it, else with what is known of its use. What it may have
-- cost beside that, up to its worst case, is kept with the entry.
create function settle_lost_allowance(
  p_tenant uuid, p_run uuid, p_step integer, p_attempt integer, p_at timestamptz
) returns jsonb language plpgsql as $$
declare
  v_held allowance_entries%rowtype;
  v_booked model_calls%rowtype;
  v_known record;
begin
  select * into v_booked from model_calls where run_id = p_run and step = p_step and attempt = p_attempt;
  if v_booked.status <> 'failed' or not v_booked.estimated then
    return settle_allowance(p_tenant, p_run, p_step, p_attempt, v_booked.input_tokens, v_booked.cached_input_tokens,
      v_booked.output_tokens, v_booked.cost_micros, v_booked.estimated, 0, 'What was booked for the attempt.', p_at);
  end if;
  select * into v_held from allowance_entries
  where run_id = p_run and step = p_step and attempt = p_attempt and closes = false;
  -- What is reserved from here on belongs to an attempt that is alive.
  if not found then return jsonb_build_object('kind', 'unreserved', 'crossed', '[]'::jsonb); end if;
  if v_booked.run_id is not null then
    v_known := v_booked;
  else
    select * into v_known from use_of_lost_call(v_held);
  end if;
  return settle_allowance(p_tenant, p_run, p_step, p_attempt, v_known.input_tokens, 0, v_known.output_tokens,
    v_known.cost_micros, true, greatest(v_held.cost_micros - v_known.cost_micros, 0),
    'The attempt died: its prompt, what it streamed, and a margin.', p_at);
end $$;

-- Closes what a dead attempt left open: with what was booked for it if somebody knew, else with its worst case.
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
$$;

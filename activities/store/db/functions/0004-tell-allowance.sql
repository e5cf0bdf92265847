-- Marks a threshold as told; true the first time in its period. Whoever hears of 100 need not hear of 80 any more.
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
end $$;

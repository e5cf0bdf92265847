-- What a pool that was just charged has crossed, told for the first time.
create function allowance_crossings(p_pool allowances, p_run uuid) returns jsonb language plpgsql as $$
declare
  v_part record;
  v_crossed jsonb := '[]';
begin
  for v_part in
    select part.*, case when part.used >= part.allowed then 100 else 80 end as percent from (values
      ('dayTokens', p_pool.day_tokens, p_pool.day_used_tokens, p_pool.day::text),
      ('dayCostMicros', p_pool.day_cost_micros, p_pool.day_used_cost_micros, p_pool.day::text),
      ('tokens', p_pool.tokens, p_pool.used_tokens, ''),
      ('costMicros', p_pool.cost_micros, p_pool.used_cost_micros, '')
    ) part (which, allowed, used, period)
    where part.allowed > 0 and part.used * 5 >= part.allowed * 4
  loop
    if tell_allowance(p_pool.id, v_part.which, v_part.percent, v_part.period) then
      v_crossed := v_crossed || keep_allowance_crossing(p_pool.tenant_id, p_run, jsonb_build_object(
        'allowanceId', p_pool.id, 'name', p_pool.name, 'model', p_pool.model, 'limit', v_part.which,
        'percent', v_part.percent, 'used', v_part.used, 'allowed', v_part.allowed, 'period', v_part.period));
    end if;
  end loop;
  return v_crossed;
end $$;

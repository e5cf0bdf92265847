-- Many batches in one transaction, in the order they are given in, which is that of the locks. A stream that somebody
-- else is writing to is left out of the answer, not waited for: its writer may wait for one of ours. What is refused
-- is refused alone. `counts` says how many of the types and payloads each batch takes.
create function append_batches(
  p_tenants uuid[], p_streams text[], p_conversations uuid[], p_units text[], p_attempts integer[],
  p_dedupes text[], p_ends boolean[], p_counts integer[], p_types text[], p_payloads text[]
) returns table (place integer, seq bigint, code text, problem text) language plpgsql as $$
declare
  v_from integer := 1;
  v_to integer;
begin
  for v_place in 1 .. cardinality(p_streams) loop
    v_to := v_from + p_counts[v_place] - 1;
    place := v_place;
    seq := null;
    code := null;
    problem := null;
    begin
      if p_conversations[v_place] is not null then
        perform from conversations where id = p_conversations[v_place] for no key update skip locked;
      end if;
      if found or p_conversations[v_place] is null then
        perform from stream_heads where stream = p_streams[v_place] for update skip locked;
      end if;
      if found then
        seq := append_events(
          p_tenants[v_place], p_streams[v_place], p_conversations[v_place], p_units[v_place], p_attempts[v_place],
          p_dedupes[v_place], p_ends[v_place], p_types[v_from:v_to], p_payloads[v_from:v_to]);
        return next;
      end if;
    exception when sqlstate 'PD001' or sqlstate 'PD002' then
      code := sqlstate;
      problem := sqlerrm;
      return next;
    end;
    v_from := v_to + 1;
  end loop;
end $$;

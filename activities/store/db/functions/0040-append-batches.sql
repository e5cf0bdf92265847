-- Appends batches of events, in the order given, in one round trip: locks the heads of their streams in the order of
-- their names, looks for the same batch, checks the fence, numbers the events, and takes the numbers of their
-- conversations last, since those are what runs side by side wait for. Call it once in a transaction, at its end:
-- nothing may be locked after the head of a conversation, and the lock of that head makes the order of commits the
-- order of numbers. Each statement sees what was committed while it waited for a lock, which a single one would not.
-- With p_wait a refusal ends the transaction. Without, a stream that is being written to is left out of the answer and
-- what is refused is refused alone. Four arrays have an entry for each event: its batch, its place in that batch, its
-- type and its payload. Events of the types in p_told are left in the outbox too, for the stream of their tenant.
create function append_batches(
  p_wait boolean, p_tenants uuid[], p_streams text[], p_conversations uuid[], p_units text[], p_attempts integer[],
  p_changes text[], p_dedupes text[], p_ends boolean[], p_counts integer[],
  p_places integer[], p_numbers integer[], p_types text[], p_payloads text[], p_told text[]
) returns table (place integer, seq bigint, code text, problem text) language plpgsql as $$
declare
  v_stream text;
  v_head stream_heads%rowtype;
  -- The number before the first event of each batch that is taken: of its stream, and of its conversation.
  v_firsts bigint[] := array_fill(null::bigint, array[cardinality(p_streams)]);
  v_numbers bigint[] := v_firsts;
  v_taken record;
  v_number bigint;
begin
  if p_wait then
    for v_stream in select distinct named from unnest(p_streams) as given (named) order by named loop
      perform from stream_heads where stream = v_stream for update;
      if not found then
        insert into stream_heads (stream, tenant_id)
        values (v_stream, p_tenants[array_position(p_streams, v_stream)]) on conflict do nothing;
        perform from stream_heads where stream = v_stream for update;
      end if;
    end loop;
  end if;
  for v_place in 1 .. cardinality(p_streams) loop
    select * into v_head from stream_heads where stream = p_streams[v_place] for update skip locked;
    continue when not found;
    place := v_place;
    seq := null;
    code := null;
    problem := null;
    if p_dedupes[v_place] is not null and exists (
      select from events where stream = p_streams[v_place] and dedupe_key = p_dedupes[v_place]
    ) then
      return next;
      continue;
    end if;
    if v_head.ended then
      code := 'PD001';
      problem := format('stream %s has ended', p_streams[v_place]);
    elsif p_changes[v_place] is distinct from 'take'
      and (v_head.fences ->> p_units[v_place])::integer is distinct from p_attempts[v_place]
    then
      code := 'PD002';
      problem := format('attempt %s of %s is not the current one', p_attempts[v_place], p_units[v_place]);
    end if;
    if code is not null then
      if p_wait then raise exception using errcode = code, message = problem; end if;
      return next;
      continue;
    end if;
    v_firsts[v_place] := v_head.seq;
    seq := v_head.seq + p_counts[v_place];
    update stream_heads head set seq = append_batches.seq, ended = p_ends[v_place], fences = case
        -- With the last event every fence falls: nothing is written after it.
        when p_ends[v_place] then '{}'
        when p_changes[v_place] = 'take' then fences || jsonb_build_object(p_units[v_place], p_attempts[v_place])
        when p_changes[v_place] = 'drop' then fences - p_units[v_place]
        else fences end
    where head.stream = p_streams[v_place];
    return next;
  end loop;
  for v_taken in
    select given.id, array_agg(given.n::integer order by given.n) as places, sum(p_counts[given.n]) as count
    from unnest(p_conversations) with ordinality as given (id, n)
    where given.id is not null and v_firsts[given.n] is not null and p_counts[given.n] > 0
    group by given.id order by given.id
  loop
    update conversation_heads head set seq = head.seq + v_taken.count
    where head.conversation_id = v_taken.id returning head.seq into v_number;
    if not found then
      insert into conversation_heads as head (conversation_id, tenant_id, seq)
      values (v_taken.id, p_tenants[v_taken.places[1]], v_taken.count)
      on conflict (conversation_id) do update set seq = head.seq + excluded.seq returning head.seq into v_number;
    end if;
    v_number := v_number - v_taken.count;
    for v_index in 1 .. cardinality(v_taken.places) loop
      v_numbers[v_taken.places[v_index]] := v_number;
      v_number := v_number + p_counts[v_taken.places[v_index]];
    end loop;
  end loop;
  with added as (
    insert into events (stream, seq, tenant_id, conversation_id, conversation_seq, type, attempt, dedupe_key, payload)
    select p_streams[item.place], v_firsts[item.place] + item.n, p_tenants[item.place], p_conversations[item.place],
      v_numbers[item.place] + item.n, item.type, coalesce(p_attempts[item.place], 0),
      case when item.n = 1 then p_dedupes[item.place] end, item.payload::jsonb
    from unnest(p_places, p_numbers, p_types, p_payloads) as item (place, n, type, payload)
    where v_firsts[item.place] is not null
    returning events.*
  )
  insert into outbox (tenant_id, source, source_seq, at, type, version, attempt, payload)
  select tenant_id, stream, added.seq, at, type, version, attempt, payload from added
  where type = any(p_told) order by stream, added.seq;
end $$;

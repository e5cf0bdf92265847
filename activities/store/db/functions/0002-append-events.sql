-- One round trip per append: take the conversation's counter, then the stream's head (the lock order), look for
-- the same batch, check the fence, number the events. Each statement sees what was committed while it waited
-- for the lock, which a single statement with CTEs would not.
create function append_events(
  p_tenant uuid, p_stream text, p_conversation uuid, p_unit text, p_attempt integer, p_dedupe text,
  p_end boolean, p_types text[], p_payloads text[]
) returns bigint language plpgsql as $$
declare
  v_count integer := cardinality(p_types);
  v_conversation bigint;
  v_head stream_heads%rowtype;
begin
  if p_conversation is not null then
    update conversations set seq = seq + v_count where id = p_conversation returning seq into v_conversation;
  end if;
  select * into v_head from stream_heads where stream = p_stream for update;
  if not found then
    insert into stream_heads (stream, tenant_id) values (p_stream, p_tenant) on conflict do nothing;
    select * into v_head from stream_heads where stream = p_stream for update;
  end if;
  if p_dedupe is not null and exists (
    select 1 from events where stream = p_stream and dedupe_key = p_dedupe
  ) then
    if p_conversation is not null then
      update conversations set seq = seq - v_count where id = p_conversation;
    end if;
    return null;
  end if;
  if v_head.ended then
    raise exception 'stream % has ended', p_stream using errcode = 'PD001';
  end if;
  if p_unit is not null and (v_head.fences ->> p_unit)::integer is distinct from p_attempt then
    raise exception 'attempt % of % is not the current one', p_attempt, p_unit using errcode = 'PD002';
  end if;
  -- With the last event every fence falls: nobody writes after it.
  update stream_heads set seq = seq + v_count, ended = p_end,
    fences = case when p_end then '{}' else fences end where stream = p_stream;
  insert into events (stream, seq, tenant_id, conversation_id, conversation_seq, type, attempt, dedupe_key, payload)
  select p_stream, v_head.seq + item.n, p_tenant, p_conversation, v_conversation - v_count + item.n,
    item.type, coalesce(p_attempt, 0), case when item.n = 1 then p_dedupe end, item.payload::jsonb
  from unnest(p_types, p_payloads) with ordinality as item (type, payload, n);
  return v_head.seq + v_count;
end $$;

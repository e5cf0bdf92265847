-- Moves what is in the outbox into the stream of the tenant, at most p_most events, and says how many those were. Under
-- the lock of that stream's head, which nothing else takes for long: two that feed at once follow each other, and each
-- statement sees what the one before has committed. Of one source none is passed over: its ids are given out in its
-- order, and who sees one sees those before it.
create function feed_tenant(p_tenant uuid, p_most integer) returns integer language plpgsql as $$
declare
  v_stream text := 'tenant/' || p_tenant;
  v_seq bigint;
  v_count integer;
begin
  if not exists (select from outbox where tenant_id = p_tenant) then return 0; end if;
  insert into stream_heads (stream, tenant_id) values (v_stream, p_tenant) on conflict do nothing;
  select seq into v_seq from stream_heads where stream = v_stream for update;
  with taken as (
    delete from outbox where tenant_id = p_tenant and id in (
      select id from outbox where tenant_id = p_tenant order by id limit p_most
    ) returning *
  ), told as (
    insert into events (stream, seq, tenant_id, at, type, version, attempt, payload, source, source_seq)
    select v_stream, v_seq + row_number() over (order by id), tenant_id, at, type, version, attempt, payload, source,
      source_seq
    from taken returning 1
  )
  select count(*) into v_count from told;
  if v_count > 0 then update stream_heads set seq = seq + v_count where stream = v_stream; end if;
  return v_count;
end $$;

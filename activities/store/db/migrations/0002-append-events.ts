// The one way events are appended, as functions of the database.
import { type Kysely, sql } from 'kysely';

// One round trip per append: take the conversation's counter, then the stream's head (the lock order), look for
// the same batch, check the fence, number the events. Each statement sees what was committed while it waited
// for the lock, which a single statement with CTEs would not.
const appendEvents = `
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
  end $$`;

// Many batches in one transaction, in the order they are given in, which is that of the locks. A stream that somebody
// else is writing to is left out of the answer, not waited for: its writer may wait for one of ours. What is refused
// is refused alone. `counts` says how many of the types and payloads each batch takes.
const appendBatches = `
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
  end $$`;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [appendEvents, appendBatches]) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop function append_batches`.execute(db);
  await sql`drop function append_events`.execute(db);
}

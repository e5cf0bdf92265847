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

// Many batches in one transaction, in the order of the locks. A stream that somebody else is writing to is left out
// of the answer, not waited for: its writer may wait for one of ours. What is refused is refused alone.
const appendBatches = `
  create function append_batches(p_batches jsonb)
  returns table (place integer, seq bigint, code text, problem text) language plpgsql as $$
  declare
    v_batch jsonb;
    v_conversation uuid;
  begin
    for place, v_batch in
      select item.n - 1, item.batch from jsonb_array_elements(p_batches) with ordinality as item (batch, n)
      order by item.batch ->> 'conversationId', item.batch ->> 'stream', item.n
    loop
      v_conversation := (v_batch ->> 'conversationId')::uuid;
      if v_conversation is not null then
        perform from conversations where id = v_conversation for no key update skip locked;
        continue when not found;
      end if;
      perform from stream_heads where stream = v_batch ->> 'stream' for update skip locked;
      continue when not found;
      seq := null;
      code := null;
      problem := null;
      begin
        seq := append_events(
          (v_batch ->> 'tenantId')::uuid, v_batch ->> 'stream', v_conversation, v_batch ->> 'unit',
          (v_batch ->> 'attempt')::integer, v_batch ->> 'dedupeKey', (v_batch ->> 'end')::boolean,
          array(select jsonb_array_elements_text(v_batch -> 'types')),
          array(select jsonb_array_elements_text(v_batch -> 'payloads')));
      exception when sqlstate 'PD001' or sqlstate 'PD002' then
        code := sqlstate;
        problem := sqlerrm;
      end;
      return next;
    end loop;
  end $$`;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [appendEvents, appendBatches]) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop function append_batches`.execute(db);
  await sql`drop function append_events`.execute(db);
}

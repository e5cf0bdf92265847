// Thresholds of allowances that are reached, as functions of the database: marked as told and kept for whoever tells of
// them in one statement with what reached them, so that none is lost between the two.
import { type Kysely, sql } from 'kysely';

// Marks a threshold as told; true the first time in its period. Whoever hears of 100 need not hear of 80 any more.
const tell = `
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
  end $$`;

// Keeps a crossing until an event says so. It is marked as told by now: nobody reaches it again in its period.
const keepCrossing = `
  create function keep_allowance_crossing(p_tenant uuid, p_run uuid, p_crossing jsonb)
  returns jsonb language sql as $$
    insert into allowance_untold (allowance_id, mark, tenant_id, run_id, crossing)
    values ((p_crossing ->> 'allowanceId')::uuid,
      concat_ws('/', p_crossing ->> 'limit', p_crossing ->> 'percent', p_crossing ->> 'period'),
      p_tenant, p_run, p_crossing)
    on conflict (allowance_id, mark) do update set crossing = excluded.crossing, run_id = excluded.run_id
    returning crossing
  $$`;

// What a pool that was just charged has crossed, told for the first time.
const crossings = `
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
  end $$`;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const text of [tell, keepCrossing, crossings]) await sql.raw(text).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop function allowance_crossings, keep_allowance_crossing, tell_allowance`.execute(db);
}

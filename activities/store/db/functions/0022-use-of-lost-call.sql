-- What a model call has used whose attempt died, as far as that is known: its prompt, what it streamed, and a margin of
-- 2,000 tokens for what no event holds. That is the text that was on its way to the log when the worker died (a batch is
-- about 2 KB), and what is not streamed: thoughts a provider hides, and arguments of tool calls, which come when they are
-- whole. The prompt counts with what was reserved for it, the most it can be. Three bytes are a token, as in
-- estimate-usage.ts. Never more than was reserved; all of that where the price of the prompt is not known.
create function use_of_lost_call(p_held allowance_entries)
returns table (input_tokens bigint, output_tokens bigint, cost_micros bigint) language sql as $$
  select p_held.input_tokens, said.tokens, case
    when p_held.prompt_cost_micros is null or p_held.output_tokens = 0 then p_held.cost_micros
    -- Each token of the answer has the same price.
    else p_held.prompt_cost_micros + ceil((p_held.cost_micros - p_held.prompt_cost_micros)::numeric
      * said.tokens / p_held.output_tokens)::bigint end
  from (
    select case when p_held.prompt_cost_micros is null then p_held.output_tokens
      else least(ceil(coalesce(sum(octet_length(payload ->> 'text')), 0) / 3.0)::bigint + 2000, p_held.output_tokens)
      end as tokens
    from events
    where stream = 'run/' || p_held.run_id and type in ('text-delta', 'thinking-delta')
      and attempt = p_held.attempt and (payload ->> 'step')::integer = p_held.step
  ) said
$$;

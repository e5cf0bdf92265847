// One look of a webhook's workflow: what has come in the tenant's stream becomes deliveries, and those that are due are
// sent, a few at a time. What one is about keeps its order: the next of it waits until the one before is through.
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { AttendWebhookInput, AttendWebhookResult } from '../workflows/contracts/activities.ts';
import type { Event } from '../workflows/contracts/event.ts';
import type { ActivityDeps } from './deps.ts';
import {
  type DeliveryRow,
  dueDeliveries,
  eventOf,
  layOut,
  lookAt,
  nextDueAt,
  recordAttempt,
  type Sent,
} from './store/webhooks/deliveries.ts';
import { secretsOf, takeWebhook, type WebhookRow } from './store/webhooks/webhooks.ts';

// A quarter of what the activity may take: the last ones that were begun by then have their fifteen seconds.
const sliceMs = 10_000;
// As many requests as an endpoint gets at once: one that is slow for some is not so for others, and few are a flood.
const lanes = 8;
const pageSize = 100;
// How long new events wait while all that is under way is slow.
const lookMs = 500;

export type HookDeps = Pick<ActivityDeps, 'log' | 'webhooks' | 'redactor'>;

export function createAttendWebhook(
  deps: HookDeps,
): (input: AttendWebhookInput) => Promise<AttendWebhookResult> {
  return (input) => look(deps, input, Context.current().cancellationSignal);
}

/** `signal`: the worker stops; what is under way then is sent again by another. */
export async function look(
  deps: HookDeps,
  input: AttendWebhookInput,
  signal: AbortSignal,
): Promise<AttendWebhookResult> {
  const { log } = deps;
  const taken = await log.write('take-webhook', (write) => takeWebhook(write, input));
  if (!taken) return { done: true };
  if (taken.deleted_at !== null) return { done: false, againMs: 0 };
  if (!taken.enabled) return { done: false };
  if (!(await sendUntil({ ...deps, signal }, taken, performance.now() + sliceMs)))
    return { done: false, againMs: 0 };
  const next = await nextDueAt(log.db, taken.id);
  return { done: false, ...(next && { againMs: Math.max(next.getTime() - Date.now(), 1) }) };
}

type Sending = HookDeps & { signal: AbortSignal };

/** False when there may be more at once: the time is over, or the webhook is not as it was. */
async function sendUntil(deps: Sending, taken: WebhookRow, until: number): Promise<boolean> {
  const { db } = deps.log;
  const underWay = new Map<string, Promise<void>>();
  let waiting: DeliveryRow[] = [];
  let lost = false;
  let failed: { error: unknown } | undefined;

  function begin(webhook: WebhookRow, delivery: DeliveryRow): void {
    const sending = attempt(deps, webhook, delivery)
      .then((recorded) => {
        lost ||= !recorded;
      })
      .catch((error: unknown) => {
        failed = { error };
      })
      .finally(() => underWay.delete(delivery.id));
    underWay.set(delivery.id, sending);
  }

  let drained = false;
  while (!drained && !lost && failed === undefined && performance.now() < until) {
    const webhook = await lookAt(db, taken);
    if (!webhook?.enabled || webhook.generation !== taken.generation) break;
    while (
      webhook.behind &&
      !(await deps.log.write('lay-out-deliveries', (write) => layOut(write, webhook)))
    );
    if (waiting.length === 0) {
      // As it was before the look: one that ends meanwhile may still be among those that wait, as it was.
      const busy = new Set(underWay.keys());
      const due = await dueDeliveries(db, webhook.id, new Date(), pageSize);
      waiting = due.filter(({ id }) => !busy.has(id));
      drained = due.length === 0;
    }
    for (const delivery of waiting.splice(0, lanes - underWay.size)) begin(webhook, delivery);
    if (underWay.size > 0) await Promise.race([...underWay.values(), sleep(lookMs)]);
  }
  await Promise.all(underWay.values());
  if (failed !== undefined) throw failed.error;
  return drained;
}

/** False when another has it by now. */
async function attempt(deps: Sending, webhook: WebhookRow, delivery: DeliveryRow): Promise<boolean> {
  const { log } = deps;
  const event = await eventOf(log.db, delivery);
  const sent: Sent = event
    ? await send(deps, webhook, delivery.id, event)
    : { status: null, ms: 0, problem: 'Its event is not kept any more.', final: true };
  return log.write('record-delivery', (write) => recordAttempt(write, delivery, sent, new Date()));
}

async function send(
  { webhooks, redactor, signal }: Sending,
  { url, ...row }: WebhookRow,
  id: string,
  event: Event,
): Promise<Sent> {
  const secrets = secretsOf(row, new Date());
  // An endpoint may answer with what it was sent.
  for (const secret of secrets) redactor.learn(secret);
  const answered = await webhooks.send({ url, secrets }, { id, body: bodyOf(event) }, signal);
  return { ...answered, problem: answered.problem === null ? null : redactor.text(answered.problem) };
}

/** What is posted, as Standard Webhooks has it; `data` is the event as streams have it. */
export function bodyOf(event: Event): string {
  return JSON.stringify({ type: event.type, timestamp: event.at, data: event });
}

// Webhooks: made, changed, given another secret, tried out, taken away. A secret is in the first answer only.
import { v7 as uuid } from 'uuid';
import { redeliverAll } from '../../activities/store/webhooks/deliveries.ts';
import { changeWebhook } from '../../activities/store/webhooks/change-webhook.ts';
import * as store from '../../activities/store/webhooks/webhooks.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type {
  CreateWebhookBody,
  RedeliveredView,
  RotateWebhookBody,
  UpdateWebhookBody,
  WebhookAnswerView,
  WebhookView,
  WebhookWithSecretView,
} from '../../workflows/contracts/webhook.ts';
import { present } from '../present.ts';
import { actorOf, type Outcome, type Verb, type VerbParts } from './verb.ts';

const kept = 'Keep the secret now: it is shown this once.';
const gone =
  'The secret was in the first answer only: if that did not arrive, give the webhook another one with /rotate.';
const yours = 'Keep the secret: it is not shown again.';

/** Known addresses that are not reached are refused now; what a name stands for is seen when it is sent to. */
function refuseAddress({ webhookSender }: VerbParts, url: string | undefined): void {
  const problem = url === undefined ? undefined : webhookSender.problemOf(url);
  if (problem === undefined) return;
  const detail = `${problem}. PERDURE_WEBHOOK_HOSTS, a setting of the server, names hosts of your own network.`;
  throw new Failure('AddressRefused', detail, { fields: [{ path: 'url', problem }] });
}

export const createWebhook: Verb<CreateWebhookBody, WebhookWithSecretView> = async (
  parts,
  write,
  caller,
  { name, url, types = [], secret, enabled = true },
) => {
  refuseAddress(parts, url);
  const used = secretFor(parts, secret);
  const webhook = { ...present({ name }), url, types: [...new Set(types)], secret: used, enabled };
  const row = await store.insertWebhook(write, webhook, actorOf(caller));
  return shown(parts, write, row, secret);
};

export const rotateWebhookSecret: Verb<
  { webhookId: string; body: RotateWebhookBody },
  WebhookWithSecretView
> = async (parts, write, caller, { webhookId, body }) => {
  const webhook = await store.lockForChange(write, caller.tenantId, webhookId);
  const secret = secretFor(parts, body?.secret);
  const row = await store.rotateSecret(write, webhook, secret, actorOf(caller));
  return shown(parts, write, row, body?.secret);
};

function secretFor({ learnSecret }: VerbParts, given: string | undefined): string {
  const secret = given ?? store.newSecret();
  learnSecret(secret);
  return secret;
}

async function shown(
  parts: VerbParts,
  write: Write,
  row: store.WebhookRow,
  given: string | undefined,
): Promise<Outcome<WebhookWithSecretView>> {
  const { body, after } = await told(parts, write, row);
  const { secret } = row;
  return {
    body: { ...body, secret: null, note: given === undefined ? gone : yours },
    onlyNow: { secret, note: given === undefined ? kept : yours },
    ...present({ after }),
  };
}

export const updateWebhook: Verb<UpdateWebhookBody & { webhookId: string }, WebhookView> = async (
  parts,
  write,
  caller,
  { webhookId, version, types, ...change },
) => {
  refuseAddress(parts, change.url);
  const webhook = await store.lockForChange(write, caller.tenantId, webhookId, version);
  const changed = { ...present(change), ...(types && { types: [...new Set(types)] }) };
  return told(parts, write, await changeWebhook(write, webhook, changed, actorOf(caller)));
};

export const switchWebhook: Verb<{ webhookId: string; enabled: boolean }, WebhookView> = async (
  parts,
  write,
  caller,
  { webhookId, enabled },
) => {
  const webhook = await store.lockForChange(write, caller.tenantId, webhookId);
  if (webhook.enabled === enabled) return told(parts, write, webhook);
  return told(parts, write, await changeWebhook(write, webhook, { enabled }, actorOf(caller)));
};

export const deleteWebhook: Verb<{ webhookId: string; version?: number }, undefined> = async (
  parts,
  write,
  caller,
  { webhookId, version },
) => {
  const webhook = await store.lockForChange(write, caller.tenantId, webhookId, version);
  const deleted = await store.deleteWebhook(write, webhook, actorOf(caller));
  return { body: undefined, after: () => tellWebhook(parts, deleted) };
};

/** After an outage of days: what one dead letter does, for all of them. */
export const redeliverWebhook: Verb<{ webhookId: string }, RedeliveredView> = async (
  parts,
  write,
  caller,
  { webhookId },
) => {
  const { tenantId, by } = actorOf(caller);
  const webhook = await store.lockForChange(write, tenantId, webhookId);
  const redelivered = await redeliverAll(write, webhook, by);
  return { body: { redelivered }, after: () => tellWebhook(parts, webhook) };
};

async function told(parts: VerbParts, write: Write, row: store.WebhookRow): Promise<Outcome<WebhookView>> {
  const view = store.toWebhookView(await store.countedWebhook(write.tx, row.tenant_id, row.id));
  return { body: view, after: () => tellWebhook(parts, row) };
}

/** That there is something for it in the rows: it is woken, or started where it was made just now. */
export function tellWebhook({ webhooks }: Pick<VerbParts, 'webhooks'>, row: store.WebhookRow): void {
  if (row.execution_id === null) webhooks.started(row);
  else webhooks.wake(row.id);
}

/** What is sent follows the commit, by `sendPing`: a slow endpoint holds no connection to Postgres. */
export const testWebhook: Verb<{ webhookId: string }, WebhookAnswerView> = async (
  _parts,
  write,
  { tenantId },
  { webhookId },
) => {
  await store.countedWebhook(write.tx, tenantId, webhookId);
  return { body: { messageId: uuid(), status: null, ms: 0, problem: null } };
};

/** Switched on or off, it gets one; nothing of it is kept. */
export async function sendPing(
  { webhookSender, redact, learnSecret }: Pick<VerbParts, 'webhookSender' | 'redact' | 'learnSecret'>,
  row: store.WebhookRow,
  messageId: string,
): Promise<WebhookAnswerView> {
  const secrets = store.secretsOf(row, new Date());
  for (const secret of secrets) learnSecret(secret);
  const ping = { type: 'ping', timestamp: new Date().toISOString(), data: { webhook: row.name } };
  const message = { id: messageId, body: JSON.stringify(ping) };
  const { status, ms, problem } = await webhookSender.send({ url: row.url, secrets }, message);
  return { messageId, status, ms, problem: problem === null ? null : redact(problem) };
}

// Webhooks as a kind of execution: one workflow each, which goes on as long as its row is there.
import {
  listUnseenWebhooks,
  type WebhookRow,
  webhookTable,
} from '../../activities/store/webhooks/webhooks.ts';
import type { DeliverHooksInput } from '../../workflows/contracts/activities.ts';
import { searchAttributes } from '../../workflows/contracts/messages.ts';
import type { Kind } from './kind.ts';

export const webhookKind: Kind<WebhookRow> = {
  name: 'webhook',
  workflowType: 'deliverHooks',
  startOf({ id, tenant_id: tenantId, generation, name }) {
    const input: DeliverHooksInput = { tenantId, webhookId: id, generation };
    return {
      input,
      priority: { fairnessKey: tenantId },
      searchAttributes: [{ key: searchAttributes.tenant, value: tenantId }],
      summary: `Webhook ${name}`,
      details: 'Delivers events to an endpoint.',
    };
  },
  listUnstarted: webhookTable.listUnstarted,
  listUndrained: listUnseenWebhooks,
  listActive: webhookTable.listActive,
};

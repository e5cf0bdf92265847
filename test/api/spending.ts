// What runs spend and may spend, asked for and changed over the API.
import { expect } from 'vitest';
import { reserve, closeReservation } from '../../activities/store/allowances/allowances.ts';
import type { AllowanceView } from '../../workflows/contracts/allowance.ts';
import type { TestApp } from '../support/test-app.ts';

export async function pool(api: TestApp, name = 'tenant'): Promise<AllowanceView> {
  const { items } = (await api.ask('GET', `/allowances?name=${name}`)).json<{ items: AllowanceView[] }>();
  if (!items[0]) throw new Error(`There is no ${name}.`);
  return items[0];
}

export function change(api: TestApp, body: Record<string, unknown>, headers?: Record<string, string>) {
  const whole = { name: 'tenant', version: 1, reason: 'A test.', ...body };
  return api.ask('PUT', '/allowances', whole, headers);
}

export const start = (api: TestApp, body: object = {}, headers?: Record<string, string>) =>
  api.ask('POST', '/runs', { prompt: 'Say hello.', policy: 'trusted-mount-autonomous', ...body }, headers);

/** Has the run draw that much for its next call, and use it. */
export async function use(
  api: TestApp,
  run: { id: string },
  step: number,
  costMicros: number,
): Promise<void> {
  const key = { tenantId: api.tenantId, runId: run.id, step, attempt: 1 };
  const worst = { inputTokens: 10, outputTokens: 10, costMicros };
  const { kind } = await reserve(api.database.db, { ...key, model: 'scripted/hello', worst });
  expect(kind).toBe('reserved');
  await closeReservation(api.database.db, key, { ...worst, cachedInputTokens: 0, estimated: false });
}

// Hands out the tasks of a tenant, as long as there is the tenant. What is settled, taken back or begun, the activity
// decides in rows.
import { attendUntilDone } from './attend.ts';
import type { DispatchInput } from './contracts/activities.ts';
import { activities } from './proxies.ts';

export async function dispatch(input: DispatchInput): Promise<void> {
  await attendUntilDone(input, activities.attendTasks);
}

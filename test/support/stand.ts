// An API and a worker on a Postgres and a Temporal server of their own: for faults of the servers below them.
import { beforeAll } from 'vitest';
import { openOwnServers, type OwnServers } from './own-servers.ts';
import { openRoles, type Roles } from './roles.ts';

export interface Stand {
  servers: OwnServers;
  roles: Roles;
}

/** To be called at the top of a test file; both processes run before its first test. */
export async function openStand(modelUrl: string): Promise<Stand> {
  const servers = await openOwnServers();
  // Room for all runs of a test at once.
  const slots = { PERDURE_TOOL_SLOTS: '32', PERDURE_LLM_SLOTS: '32' };
  const roles = await openRoles({ PERDURE_COMPATIBLE_BASE_URL: modelUrl, ...slots }, servers);
  beforeAll(async () => {
    await roles.startApi();
    await roles.startWorker();
  });
  return { servers, roles };
}

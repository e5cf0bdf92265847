// The list of sandboxes. To know what exists, read it; a run gets the first.
import { createMount, type MountNeeds } from './mount/mount.ts';
import type { SandboxDriver } from './sandbox.ts';

export type SandboxNeeds = MountNeeds;

export function createDrivers(needs: SandboxNeeds): SandboxDriver[] {
  return [createMount(needs)];
}

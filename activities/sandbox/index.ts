// The list of sandboxes. To know what exists, read it.
import { createBubblewrap, type BubblewrapNeeds } from './bubblewrap/bubblewrap.ts';
import { createMount, type MountNeeds } from './mount/mount.ts';
import type { SandboxDriver } from './sandbox.ts';

export type SandboxNeeds = MountNeeds & BubblewrapNeeds;

export function createDrivers(needs: SandboxNeeds): SandboxDriver[] {
  return [createMount(needs), createBubblewrap(needs)];
}

// The list of sandboxes. To know what exists, read it.
import { createBubblewrap, type BubblewrapNeeds } from './bubblewrap/bubblewrap.ts';
import type { DockerNeeds } from './docker/docker-settings.ts';
import { createDocker } from './docker/docker.ts';
import { createOthers } from './docker/others.ts';
import { createMount, type MountNeeds } from './mount/mount.ts';
import type { SandboxDriver } from './sandbox.ts';

export type SandboxNeeds = MountNeeds & BubblewrapNeeds & DockerNeeds;

export function createDrivers(needs: SandboxNeeds): SandboxDriver[] {
  return [createMount(needs), createBubblewrap(needs), createDocker(needs), createOthers(needs)];
}

// Handles of commands that are process groups of this machine: the group, its machine, and whose call it is.
import { listProcesses, thisHost } from '../../host/process-table.ts';
import type { Handle, Handles } from '../sandbox.ts';
import { groupIsAlive, killGroup, killMarked, killOrphans, type ProcessGroup } from './process-group.ts';

export interface GroupHandle extends Handle, ProcessGroup {
  host: string;
  /** `run/call`: the mark that all processes of the call carry. */
  call: string;
}

/** `kind`: the mode of the driver. */
export function toHandle(kind: string, group: ProcessGroup, call: string): GroupHandle {
  return { kind, host: thisHost(), call, ...group };
}

/** The same for each mode whose commands are process groups. */
export const groupHandles: Handles = {
  async kill(handle) {
    const { host, call, ...group } = handle as GroupHandle;
    if (host !== thisHost()) return 'elsewhere';
    await killGroup(group);
    await killMarked(call);
    return 'gone';
  },
  async isAlive(handle) {
    const { host, ...group } = handle as GroupHandle;
    return host === thisHost() && groupIsAlive(group);
  },
  async sweep(handles) {
    // Whatever carries the mark of a worker that is gone, on record or not: a command started in the very moment of
    // the kill may not be. Then the groups on record that are still there, for systems that show no marks; looking
    // for each of hundreds of groups that ended long ago would take seconds.
    await killOrphans();
    if (handles.length === 0) return;
    const present = new Set(listProcesses().flatMap(({ pgid, setId }) => [pgid, setId]));
    const left = (handles as GroupHandle[]).filter(
      ({ host, pgid }) => host === thisHost() && present.has(pgid),
    );
    await Promise.all(left.map(killGroup));
  },
};

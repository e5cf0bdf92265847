// The sandboxes there are, with what this machine gives them.
import path from 'node:path';
import { createDrivers } from '../../activities/sandbox/index.ts';
import type { SandboxDriver } from '../../activities/sandbox/sandbox.ts';
import { commandPath } from '../config/config.ts';

export function sandboxDrivers({ dataFolder }: { dataFolder: string }): SandboxDriver[] {
  return createDrivers({ workFolder: path.join(dataFolder, 'work'), programs: commandPath() });
}

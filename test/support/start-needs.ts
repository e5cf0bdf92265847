// What starting a run asks of its process, where every scripted model is there and nothing is a secret.
import { createGitBounds } from '../../activities/git/bounds.ts';
import { createMount } from '../../activities/sandbox/mount/mount.ts';
import { fillIn } from '../../activities/prompt/instructions.ts';
import type { StartNeeds } from '../../activities/store/lifecycle/start-run.ts';
import { toSandboxView } from '../../worker/processes/sandboxes.ts';

// Only for its description of itself: nothing is run in it.
const mount = createMount({ workFolder: '', programs: '', gitBounds: createGitBounds({ folder: '' }) });

export const startNeeds: StartNeeds = {
  defaultModel: () => 'scripted/hello',
  windowOf: () => 200_000,
  hasModel: (name) => name.startsWith('scripted/'),
  realPath: async (folder) => folder,
  externalToolsProblem: () => undefined,
  redact: (text) => text,
  fillIn,
  sandbox: async (mode) => ({ ...(await toSandboxView(mount)), mode }),
  bestSandbox: async () => undefined,
  containsUnattended: true,
  diskProblem: () => undefined,
};

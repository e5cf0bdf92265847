// A worker of its own that knows of a run's sandbox only what is stored: `node another-worker.ts NEEDS ACT`, in JSON.
import { createDrivers, type SandboxNeeds } from '../../../activities/sandbox/index.ts';
import { createHandles } from '../../../activities/sandbox/run-sandboxes.ts';
import type { Handle, SandboxRun } from '../../../activities/sandbox/sandbox.ts';

/** Kill what a handle names, or read a file of a run's sandbox and run a command in it. */
export type Act =
  | { kill: Handle }
  | {
      mode: string;
      run: Omit<SandboxRun, 'mode'>;
      read: string;
      command: string;
    };

const [needs, act] = process.argv.slice(2).map((text) => JSON.parse(text)) as [SandboxNeeds, Act];
const drivers = createDrivers(needs);
if ('kill' in act) {
  process.stdout.write(await createHandles(drivers).kill(act.kill));
} else {
  const opened = await drivers.find(({ mode }) => mode === act.mode)?.open(act.run);
  const sandbox = await opened?.forCall();
  process.stdout.write(String(await sandbox?.read(act.read, 1000)));
  await sandbox?.exec({
    command: act.command,
    key: 'run/1.1',
    signal: new AbortController().signal,
    onStart: async () => {},
    onOutput: (_from, bytes) => void process.stdout.write(bytes),
  });
  await opened?.close('goes-on');
}

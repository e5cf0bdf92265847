// A worker that can be killed: runs one command in a mount of the given folder.
import { openMount } from '../../../../activities/sandbox/mount/mount.ts';

const [folder = '', mode] = process.argv.slice(2);
const opened = await openMount({ root: folder, gitBounds: async () => ({}) });
const sandbox = await opened.forCall();
await sandbox.exec({
  command:
    'trap "" HUP TERM; echo $$ >> pids; setsid sleep 600 & echo $! >> pids; sleep 600 & echo $! >> pids; wait',
  key: 'run/9.9',
  signal: new AbortController().signal,
  async onStart(handle) {
    if (mode !== 'die-before-start') return;
    await new Promise((resolve) => process.stdout.write(`${JSON.stringify(handle)}\n`, resolve));
    process.kill(process.pid, 'SIGKILL');
  },
  onOutput() {},
});

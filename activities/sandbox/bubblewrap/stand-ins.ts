// What bubblewrap needs of files of ours.
import { identityOf, putStandIn } from '../tree/stand-ins.ts';
import { refusedCalls } from './refused-calls.ts';

export interface StandIns {
  /** Each with the path it has in the sandbox. */
  files: [from: string, to: string][];
  /** An empty file. */
  empty: string;
  /** The filter of system calls; undefined where there is none for this processor. */
  filter: string | undefined;
}

export async function makeStandIns(folder: string): Promise<StandIns> {
  const files = identityOf({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 });
  const calls = refusedCalls();
  return {
    files: await Promise.all(
      Object.entries(files).map(
        async ([name, text]): Promise<[string, string]> => [
          await putStandIn(folder, name, Buffer.from(text)),
          `/etc/${name}`,
        ],
      ),
    ),
    empty: await putStandIn(folder, 'empty', Buffer.alloc(0)),
    filter: calls && (await putStandIn(folder, 'refused-calls', calls)),
  };
}

// The shell that commands run in on this machine.
import { accessSync, constants } from 'node:fs';

/** bash where there is one. */
export function findShell(): string {
  const isThere = (path: string): boolean => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  return (
    ['/bin/bash', '/usr/bin/bash', '/usr/local/bin/bash', '/opt/homebrew/bin/bash'].find(isThere) ?? '/bin/sh'
  );
}

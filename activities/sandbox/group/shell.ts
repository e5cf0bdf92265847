// The shell that commands run in on this machine, and how a shell is told of words.
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

/** Lines that a shell runs to have the variables, save those that it does not let be set: a plain `export` of one ends it. */
export function asExports(variables: Readonly<Record<string, string>>): string[] {
  return Object.entries(variables).map(([name, value]) => `command export ${name}=${quoted(value)}`);
}

/** As a shell reads it back. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

// Which program a word means in a shell: the first of its name that may be executed, in the folders of the PATH.
import { accessSync, constants, realpathSync } from 'node:fs';
import path from 'node:path';

/** The file behind all links; undefined when the PATH has none. */
export function commandOnPath(name: string, folders: string | undefined): string | undefined {
  // An empty entry is the folder that a command is called in, and says nothing about other folders.
  for (const folder of (folders ?? '').split(path.delimiter).filter((each) => path.isAbsolute(each))) {
    try {
      const file = path.join(folder, name);
      accessSync(file, constants.X_OK);
      return realpathSync(file);
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

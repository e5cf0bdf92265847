// A small file that readers see whole, old or new, at any moment, also when its writer dies.
import { renameSync, rmSync, writeFileSync } from 'node:fs';

export function writeFileWhole(file: string, text: string): void {
  const temporary = `${file}.${process.pid}`;
  try {
    writeFileSync(temporary, text, { mode: 0o600 });
    renameSync(temporary, file);
  } catch (error) {
    // Half of it would only take room on a disk that has none.
    rmSync(temporary, { force: true });
    throw error;
  }
}

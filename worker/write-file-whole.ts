// A small file that readers see whole, old or new, at any moment, also when its writer dies.
import { renameSync, writeFileSync } from 'node:fs';

export function writeFileWhole(file: string, text: string): void {
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}

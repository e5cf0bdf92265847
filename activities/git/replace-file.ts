// Replaces a file of ours at once: any reader sees the whole old file or the whole new one.
import { randomUUID } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** `beside`: where it is made first, on the same disk; the folder of the file unless said otherwise. */
export async function replaceFile(file: string, content: string, beside = dirname(file)): Promise<void> {
  await replaceWith(file, (made) => writeFile(made, content, { mode: 0o600 }), beside);
}

/** `make` makes the file under the name it is given, which is unique. */
export async function replaceWith(
  file: string,
  make: (made: string) => Promise<void>,
  beside = dirname(file),
): Promise<void> {
  const made = join(beside, `.${randomUUID()}`);
  await make(made);
  await rename(made, file);
}

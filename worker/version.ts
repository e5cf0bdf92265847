// The version of this code, as the package says it.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const manifest = readFileSync(path.join(import.meta.dirname, '..', 'package.json'), 'utf8');
export const { version } = JSON.parse(manifest) as { version: string };

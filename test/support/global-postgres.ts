// Vitest's global set-up of the projects that need Postgres: the shared server and a migrated template database.
import type { TestProject } from 'vitest/node';
import { sharedPostgres, stopSharedServers } from './servers.ts';
import { makeTemplate } from './template.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string;
    templateDatabase: string;
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const url = await sharedPostgres();
  project.provide('postgresUrl', url);
  project.provide('templateDatabase', await makeTemplate(url));
  return stopSharedServers;
}

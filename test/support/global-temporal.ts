// Vitest's global set-up of the projects that need Temporal: the shared server.
import type { TestProject } from 'vitest/node';
import { sharedTemporal, stopSharedServers } from './servers.ts';

declare module 'vitest' {
  interface ProvidedContext {
    temporalAddress: string;
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  project.provide('temporalAddress', await sharedTemporal());
  return stopSharedServers;
}

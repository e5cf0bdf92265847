// Vitest's global set-up of the projects that need Temporal: the shared server, and a folder for the bundle.
import type { TestProject } from 'vitest/node';
import { sharedBundles, sharedTemporal, stopSharedServers } from './servers.ts';

declare module 'vitest' {
  interface ProvidedContext {
    temporalAddress: string;
    /** Where the first worker keeps the workflow bundle that it builds, for all others. */
    bundles: string;
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  project.provide('temporalAddress', await sharedTemporal());
  project.provide('bundles', await sharedBundles());
  return stopSharedServers;
}

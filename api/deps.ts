// What the API is built from. worker/ opens these and closes them; tests hand in their own.
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { Sweeps } from '../activities/store/retention/sweeps.ts';
import type { RunRow } from '../activities/store/runs/runs.ts';
import type { DiffView } from '../workflows/contracts/run.ts';
import type { ModelListView, ProcessListView } from '../workflows/contracts/system.ts';
import type { PolicyCall } from '../workflows/policy/subject.ts';
import type { Killer } from './verbs/kill-process.ts';
import type { DemoCopies } from './verbs/start-demo.ts';
import type { VerbParts } from './verbs/verb.ts';

export interface ApiDeps extends VerbParts {
  pool: Pool;
  /** For the one connection that listens; it is not of the pool. */
  databaseUrl: string;
  tenantId: string;
  /** What a pruning removes, for saying what that would be. */
  sweeps: Sweeps;
  logger: Logger;
  bodyLimitBytes: number;
  version: string;
  models(): ModelListView;
  /** What a call does and on what, as its tool tells; or why it is no valid call. */
  describeCall(call: { tool: string; input: unknown }): PolicyCall | { problem: string };
  diff(run: RunRow): Promise<DiffView>;
  content(tenantId: string, key: string): Promise<{ mediaType: string; bytes: Buffer } | undefined>;
  /** Resolves when Temporal answers, throws otherwise. */
  temporalHealth(): Promise<void>;
  /** Only under our own supervisor. */
  embedded?: EmbeddedDeps;
  /** Where index.html, page.js and page.css are. */
  uiFolder: string;
}

export interface EmbeddedDeps extends Killer, DemoCopies {
  processes(): Promise<ProcessListView>;
}

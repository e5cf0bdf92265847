// What the API is built from. worker/ opens these and closes them; tests hand in their own.
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { Sweeps } from '../activities/store/retention/sweeps.ts';
import type { CheckpointSpan } from '../activities/store/runs/checkpoints.ts';
import type { RunRow } from '../activities/store/runs/runs.ts';
import type { DiffView } from '../workflows/contracts/checkpoint.ts';
import type {
  BackupListView,
  DiskView,
  ModelListView,
  ProcessListView,
  SandboxView,
} from '../workflows/contracts/system.ts';
import type { KnownCall } from '../workflows/policy/backtest.ts';
import type { Killer } from './verbs/kill-process.ts';
import type { DemoCopies } from './verbs/start-demo.ts';
import type { VerbParts } from './verbs/verb.ts';

export interface ApiDeps extends VerbParts {
  pool: Pool;
  /** For the one connection that listens; it is not of the pool. */
  databaseUrl: string;
  tenantId: string;
  /** What a pruning removes, to show it beforehand. */
  sweeps: Sweeps;
  logger: Logger;
  bodyLimitBytes: number;
  version: string;
  models(): ModelListView;
  /** Each kind of sandbox, tried now. */
  sandboxes(): Promise<SandboxView[]>;
  /** Those in the data folder. */
  backups(): Promise<BackupListView>;
  /** What a call does and on what, as its tool tells; or why it is no valid call. */
  describeCall(call: { tool: string; input: unknown }): KnownCall | { problem: string };
  /** What the run itself changed; without spans all that changed in its project since it began. */
  diff(run: RunRow, spans: readonly CheckpointSpan[] | undefined): Promise<DiffView>;
  /** What differs between two trees recorded for the run. */
  diffOf(run: RunRow, from: string, to: string): Promise<DiffView>;
  /** Stores what comes, up to `most` bytes; undefined when there is more. */
  takeContent(
    tenantId: string,
    mediaType: string,
    source: AsyncIterable<Uint8Array>,
    most: number,
  ): Promise<{ key: string; size: number } | undefined>;
  content(tenantId: string, key: string): Promise<{ mediaType: string; bytes: Buffer } | undefined>;
  /** The disk with the least room below the data folder. */
  diskRoom(): DiskView | undefined;
  /** Resolves when Temporal answers, throws otherwise. */
  temporalHealth(): Promise<void>;
  /** The same of the bucket of large content, where there is one. */
  bucketHealth?(): Promise<void>;
  /** Names this server answers to, beside addresses and localhost. */
  hostNames: string[];
  temporalUi: TemporalUi;
  /** What logins to the Web UI are signed with: secret, the same in each process of the API and after a restart. */
  loginKey: string;
  /** Only under our own supervisor. */
  embedded?: EmbeddedDeps;
  /** Where index.html, page.js and page.css are. */
  uiFolder: string;
}

/** Where Temporal's Web UI is, or in one sentence why it is not to be had here. */
export type TemporalUi = { upstream: string; namespace: string } | { problem: string };

export interface EmbeddedDeps extends Killer, DemoCopies {
  processes(): Promise<ProcessListView>;
}

// What the API is built from. worker/ opens these and closes them; tests hand in their own.
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { EditedCall } from '../activities/store/approvals/approvals.ts';
import type { CallRow } from '../activities/store/calls/calls.ts';
import type { Queries } from '../activities/store/db/database.ts';
import type { EventLog, Write } from '../activities/store/log/events.ts';
import type { RunRow } from '../activities/store/runs/runs.ts';
import type { ExternalTool } from '../workflows/contracts/external-tool.ts';
import type { DiffView } from '../workflows/contracts/run.ts';
import type { ModelListView, ProcessListView } from '../workflows/contracts/system.ts';
import type { PolicyCall } from '../workflows/policy/subject.ts';
import type { StartedDemo } from './demo.ts';
import type { Runs } from './upkeep/run-kind.ts';

export interface ApiDeps {
  log: EventLog;
  pool: Pool;
  /** For the one connection that listens; it is not of the pool. */
  databaseUrl: string;
  redact(text: string): string;
  tenantId: string;
  logger: Logger;
  bodyLimitBytes: number;
  version: string;
  defaults: { model(): string };
  models(): ModelListView;
  /** True when the provider in a model's name is one we can reach. */
  hasModel(name: string): boolean;
  runs: Runs;
  /** The one path of a directory, whatever links lead to it. Throws a Failure when there is none. */
  realPath(path: string): Promise<string>;
  /** Why these tools of the caller's own cannot be offered, in one sentence. */
  externalToolsProblem(tools: readonly ExternalTool[]): string | undefined;
  /**
   * Other arguments for a call that is asked about. Throws a Failure when they do not fit or policy denies them. Reads
   * with the caller's queries: a second connection, asked for inside a transaction, may never come.
   */
  reviewEdit(queries: Queries, run: RunRow, call: CallRow, input: unknown): Promise<EditedCall>;
  /** What a call does and on what, as its tool tells; or why it is no valid call. */
  describeCall(call: { tool: string; input: unknown }): PolicyCall | { problem: string };
  diff(run: RunRow): Promise<DiffView>;
  /** Keeps what is too long for a row of its own; returns the key it is read by. */
  keepContent(queries: Queries, tenantId: string, mediaType: string, bytes: Buffer): Promise<string>;
  content(tenantId: string, key: string): Promise<{ mediaType: string; bytes: Buffer } | undefined>;
  /** Resolves when Temporal answers, throws otherwise. */
  temporalHealth(): Promise<void>;
  /** Only under our own supervisor. */
  embedded?: EmbeddedDeps;
  /** Where index.html, page.js and page.css are. */
  uiFolder: string;
}

export interface EmbeddedDeps {
  processes(): Promise<ProcessListView>;
  /** kill -9. Throws a Failure when there is nothing of that name to kill. */
  kill(name: string): Promise<void>;
  /** Accepts the demo's run in the caller's transaction; it is to be started after the commit. */
  demo(write: Write, by: string, requestId: string): Promise<StartedDemo>;
}

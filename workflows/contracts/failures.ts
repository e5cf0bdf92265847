// Every failure type in one table: may it be retried, what HTTP status, what sentence. API, CLI and workflow
// read it; no status code and no matching on message text anywhere else. No zod here: workflows load it.

interface FailureRow {
  retryable: boolean;
  status: number;
  title: string;
}

export const failures = {
  InvalidInput: { retryable: false, status: 400, title: 'The request is not valid' },
  MalformedBody: { retryable: false, status: 400, title: 'The body is not valid JSON' },
  InvalidCursor: { retryable: false, status: 400, title: 'The cursor is not valid' },
  Unauthorized: { retryable: false, status: 401, title: 'A valid token is needed' },
  Forbidden: { retryable: false, status: 403, title: 'Not allowed from here' },
  HostUnknown: { retryable: false, status: 421, title: 'This server has another name' },
  NotFound: { retryable: false, status: 404, title: 'Not found' },
  MethodNotAllowed: { retryable: false, status: 405, title: 'Method not allowed' },
  ConversationBusy: { retryable: false, status: 409, title: 'The conversation has an active run' },
  ConversationIdle: { retryable: false, status: 409, title: 'No run of the conversation is active' },
  RunNotActive: { retryable: false, status: 404, title: 'The run is not active' },
  RunEnded: { retryable: false, status: 409, title: 'The run has ended' },
  RunActive: { retryable: false, status: 409, title: 'The run is active' },
  ProjectBusy: { retryable: false, status: 409, title: 'Another run works in this directory' },
  RewindOpen: { retryable: true, status: 409, title: 'The run is being rewound' },
  MailboxEmpty: { retryable: false, status: 422, title: 'The mailbox is empty' },
  HasDescendants: { retryable: false, status: 409, title: 'Other runs go on from it' },
  EventsFolded: { retryable: false, status: 410, title: 'These events are folded' },
  CallNotUnknown: { retryable: false, status: 409, title: 'The outcome of this call is known' },
  AlreadyResolved: { retryable: false, status: 409, title: 'Already resolved' },
  ApprovalDecided: { retryable: false, status: 409, title: 'Somebody has decided already' },
  EditRefused: { retryable: false, status: 422, title: 'These arguments cannot be allowed' },
  AllowanceExceeded: { retryable: true, status: 429, title: 'The allowance is used up' },
  PolicyExists: { retryable: false, status: 409, title: 'There is such a policy already' },
  PolicyBuiltIn: { retryable: false, status: 409, title: 'A built-in policy cannot be changed' },
  PolicyInUse: { retryable: false, status: 409, title: 'The policy is in use' },
  PresetExists: { retryable: false, status: 409, title: 'There is such a preset already' },
  PresetBuiltIn: { retryable: false, status: 409, title: 'A built-in preset cannot be changed' },
  PresetInUse: { retryable: false, status: 409, title: 'The preset is in use' },
  WorkspaceExists: { retryable: false, status: 409, title: 'There is such a workspace already' },
  WorkspaceInUse: { retryable: false, status: 409, title: 'The workspace is in use' },
  ScheduleExists: { retryable: false, status: 409, title: 'There is such a schedule already' },
  ScheduleFromManifest: { retryable: false, status: 409, title: 'A manifest defines this schedule' },
  TaskNotOpen: { retryable: false, status: 409, title: 'The task is not open' },
  ClaimLost: { retryable: false, status: 409, title: 'This claim does not count any more' },
  NoEligibleExecutor: { retryable: false, status: 409, title: 'No executor fits the task' },
  ExecutorGone: { retryable: false, status: 410, title: 'The executor is not registered any more' },
  TokenExists: { retryable: false, status: 409, title: 'There is such a token already' },
  WebhookExists: { retryable: false, status: 409, title: 'There is such a webhook already' },
  VersionStale: { retryable: false, status: 409, title: 'Somebody has changed it meanwhile' },
  RequestInFlight: {
    retryable: true,
    status: 409,
    title: 'A request with this idempotency key is in flight',
  },
  IdempotencyKeyReused: {
    retryable: false,
    status: 422,
    title: 'The idempotency key was used for another request',
  },
  UnknownPolicy: { retryable: false, status: 422, title: 'There is no such policy profile' },
  UnknownWorkspace: { retryable: false, status: 422, title: 'There is no such workspace' },
  TwoPlaces: { retryable: false, status: 422, title: 'Either a project or a workspace' },
  UnknownExecutor: { retryable: false, status: 422, title: 'There is no such executor' },
  UnknownPreset: { retryable: false, status: 422, title: 'There is no such preset' },
  ContainmentRequired: { retryable: false, status: 422, title: 'A sandbox that contains is required' },
  SandboxUnavailable: { retryable: false, status: 422, title: 'This kind of sandbox cannot be used here' },
  UnknownModel: { retryable: false, status: 422, title: 'There is no such model' },
  AddressRefused: { retryable: false, status: 422, title: 'This address cannot be fetched' },
  UnknownContent: { retryable: false, status: 422, title: 'There is no such content' },
  PartTooLarge: { retryable: false, status: 413, title: 'A part of the message is too large' },
  NothingToGoOnFrom: { retryable: false, status: 422, title: 'Nothing can go on from this run' },
  NotRunnable: { retryable: false, status: 422, title: 'Not possible here' },
  BodyTooLarge: { retryable: false, status: 413, title: 'The body is too large' },
  UnsupportedMediaType: { retryable: false, status: 415, title: 'The body must be application/json' },
  HeadersTooLarge: { retryable: false, status: 431, title: 'The headers are too large' },
  InternalError: { retryable: false, status: 500, title: 'Something went wrong here' },
  TooManyWaits: { retryable: true, status: 503, title: 'Too many requests wait' },
  ShuttingDown: { retryable: true, status: 503, title: 'The server is shutting down' },
  TemporalUnavailable: { retryable: true, status: 503, title: 'Temporal cannot be reached' },
  StoreUnavailable: { retryable: true, status: 503, title: 'Postgres cannot be reached' },
  DiskFull: { retryable: true, status: 507, title: 'The disk is full' },
  // Of activities; their status is what a face shows when one ends a run.
  ModelRateLimited: { retryable: true, status: 503, title: 'The model provider limits our rate' },
  ModelOverloaded: { retryable: true, status: 503, title: 'The model provider is overloaded' },
  ModelTimeout: { retryable: true, status: 503, title: 'The model did not answer in time' },
  ModelNetwork: { retryable: true, status: 503, title: 'The model provider cannot be reached' },
  ModelUnreadable: { retryable: true, status: 502, title: "The model provider's answer cannot be read" },
  ModelUnavailable: { retryable: false, status: 503, title: 'The model provider has failed for too long' },
  ModelBadRequest: { retryable: false, status: 502, title: 'The model provider refused the request' },
  ModelUnauthorized: { retryable: false, status: 502, title: 'The model provider refused the key' },
  ModelContextTooLong: { retryable: false, status: 502, title: 'The conversation is too long for the model' },
  ModelContentRefused: { retryable: false, status: 502, title: 'The model provider refused the content' },
  ModelWorkersLost: {
    retryable: false,
    status: 503,
    title: 'The model call took its worker down too often',
  },
  InputMissing: { retryable: false, status: 422, title: 'A part of the message cannot be had' },
  WorkerLost: { retryable: true, status: 503, title: 'The worker died' },
  Superseded: { retryable: false, status: 409, title: 'A newer attempt has taken over' },
} as const satisfies Record<string, FailureRow>;

export type FailureCode = keyof typeof failures;

/** A failure that a face turns into an answer; `extra` joins the problem document. */
export class Failure extends Error {
  readonly code: FailureCode;
  readonly extra: Record<string, unknown>;

  constructor(code: FailureCode, detail: string, extra: Record<string, unknown> = {}) {
    super(detail);
    this.name = 'Failure';
    this.code = code;
    this.extra = extra;
  }
}

/** What was looked for; refused when it is not there. `what` names it, such as `run 0190…`. */
export function found<Row>(row: Row | undefined, what: string): Row {
  if (row === undefined) throw new Failure('NotFound', `There is no ${what}.`);
  return row;
}

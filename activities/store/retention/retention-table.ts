// What is kept how long, and why: the one table of it. A row with a setting or with hours is swept every night and by
// `perdure prune`, in this order; the others say what bounds them. Zero in a setting keeps it for ever.

/** In days; months of the ledger. Zero: for ever. */
export interface RetentionSettings {
  runsDays: number;
  eventsDays: number;
  outputsDays: number;
  ledgerMonths: number;
  deadLettersDays: number;
}

/** How long without a setting: as `perdure config` shows it. */
export const usualRetention: RetentionSettings = {
  runsDays: 0,
  eventsDays: 30,
  outputsDays: 90,
  ledgerMonths: 13,
  deadLettersDays: 90,
};

export interface RetentionRow {
  name: string;
  /** What goes when its time is up, as people read it. */
  what: string;
  why: string;
  kept: { setting: keyof RetentionSettings } | { hours: number } | { words: string };
}

export const retentionTable = [
  {
    name: 'keys',
    what: 'answers under an Idempotency-Key',
    why: 'no client tries a request again for longer',
    kept: { hours: 24 },
  },
  {
    name: 'runs',
    what: 'finished runs that none descends from and whose report waits in no mailbox, and all of theirs',
    why: 'what was done is the product: it goes only when somebody says so',
    kept: { setting: 'runsDays' },
  },
  {
    name: 'tasks',
    what: 'ended tasks that no open one depends on, with claims and events',
    why: 'they are kept as their runs; one with an open dead letter can still be tried again',
    kept: { setting: 'runsDays' },
  },
  {
    name: 'events',
    what: 'pieces in streams of finished runs; whole messages stay',
    why: 'nine of ten events are pieces of text, thinking and live output; thinking is not kept otherwise',
    kept: { setting: 'eventsDays' },
  },
  {
    name: 'outputs',
    what: 'the whole of cut outputs; what the model read stays',
    why: 'they are the largest content there is, and looked at in the days after a run',
    kept: { setting: 'outputsDays' },
  },
  {
    name: 'contents',
    what: 'content that no row names',
    why: 'it is put before the row that names it is written: a day is far longer than that takes',
    kept: { hours: 24 },
  },
  {
    name: 'ledger',
    what: 'closed entries of whole months, which become sums',
    why: 'a year can be compared with the one before, call by call; then sums by model, project and pool are enough',
    kept: { setting: 'ledgerMonths' },
  },
  {
    name: 'deadLetters',
    what: 'dead letters that were retried or dropped',
    why: 'a quarter shows what keeps failing; open ones stay',
    kept: { setting: 'deadLettersDays' },
  },
  {
    name: 'answers',
    what: 'remembered answers that ran out or were forgotten',
    why: 'they decide nothing any more; the audit says what they were',
    kept: { hours: 30 * 24 },
  },
  {
    name: 'executors',
    what: 'rows of workers that are gone',
    why: 'a week is looked back on when a worker died; one with open attempts stays',
    kept: { hours: 7 * 24 },
  },
  {
    name: 'prunings',
    what: 'what earlier prunings removed',
    why: 'a quarter of nights shows how much there is to remove',
    kept: { hours: 90 * 24 },
  },
  {
    name: 'contentFiles',
    what: 'files of content, and objects of its bucket, that no row tells of',
    why: 'left by a process that died between file and row; a put takes seconds',
    kept: { hours: 24 },
  },
  {
    name: 'workFolders',
    what: 'folders of deleted runs that had no project',
    why: 'a command of the run may have ended a moment ago',
    kept: { hours: 1 },
  },
  {
    name: 'trees',
    what: 'recorded trees of projects that no run names',
    why: 'a recording takes minutes at most; two weeks are what git itself gives',
    kept: { hours: 14 * 24 },
  },
  {
    name: 'occurrences',
    what: 'due times of schedules that have ended',
    why: 'a quarter shows how a schedule does; its runs are kept as all others',
    kept: { hours: 90 * 24 },
  },
  {
    name: 'deliveries',
    what: 'deliveries to webhooks that were made or given up',
    why: 'a week is looked back on when an endpoint missed something; one with an open dead letter can still be sent again',
    kept: { hours: 7 * 24 },
  },
  {
    name: 'audit',
    what: 'who decided what, by which rule and why',
    why: 'it is the proof: the database refuses every change and deletion',
    kept: { words: 'for ever' },
  },
  {
    name: 'limits',
    what: 'changes of limits in the ledger, and sums of months',
    why: 'few, and what is still owed an explanation',
    kept: { words: 'for ever' },
  },
  {
    name: 'policies',
    what: 'every version of a policy profile',
    why: 'runs name the version they began with',
    kept: { words: 'for ever' },
  },
  {
    name: 'schedules',
    what: 'schedules, also those that were deleted',
    why: 'few, and named by their due times',
    kept: { words: 'for ever' },
  },
  {
    name: 'webhooks',
    what: 'endpoints that are told of events, with their secrets',
    why: 'each is told until it is taken away, and then with all that is its own',
    kept: { words: 'until it is removed' },
  },
  {
    name: 'memory',
    what: 'what agents and people keep for later runs',
    why: 'later runs are told of it; each text can be deleted',
    kept: { words: 'as long as its conversation or preset' },
  },
  {
    name: 'messages',
    what: 'messages, calls, approvals and attempts of a run',
    why: 'runs that continue it read them',
    kept: { words: 'as long as the run' },
  },
  {
    name: 'attachments',
    what: 'files that messages carry, and what was fetched for them',
    why: 'runs that continue it show them to their model, and put them where their tools find them',
    kept: { words: 'as long as a run that names them' },
  },
  {
    name: 'conversations',
    what: 'conversations, with how far their streams have come',
    why: 'their readers are told what they cannot have any more',
    kept: { words: 'as long as one of their runs' },
  },
  {
    name: 'sandboxes',
    what: 'what sandboxes started',
    why: 'a worker ends what is left of its predecessor at its start',
    kept: { words: 'as long as the call or its run' },
  },
  {
    name: 'logs',
    what: 'logs of the processes',
    why: 'they are rotated at 10 MB with three older copies each',
    kept: { words: '40 MB a process' },
  },
  {
    name: 'histories',
    what: "Temporal's history of closed workflows; it has no texts",
    why: 'its namespace keeps them for a week; another server may say otherwise',
    kept: { words: '7 days' },
  },
] as const satisfies readonly RetentionRow[];

type Row = (typeof retentionTable)[number];
export type SweptRow = Extract<Row, { kept: { setting: string } | { hours: number } }>;
export type SweepName = SweptRow['name'];

export const sweptRows: readonly SweptRow[] = retentionTable.filter(
  (row): row is SweptRow => !('words' in row.kept),
);

// What one does to add one of each kind, file by file: the rows of "How to add" in the README, carried out.

export interface Recipe {
  /** The first cell of its row. */
  row: string;
  /** Names the sample: every problem of a half-done recipe must match it. */
  sample: RegExp;
  /** A new file as its text; a change as a function of the text that is there. */
  edits: Readonly<Record<string, string | ((text: string) => string)>>;
  /** Files that must still compile besides. */
  alsoCompiles?: readonly string[];
  /** What other rules than the compiler's find missing. */
  missing?(read: (name: string) => string | undefined): string[];
}

type Change = (text: string) => string;

/** Puts text before a piece that is there exactly once. */
function before(piece: string, added: string): Change {
  return (text) => {
    if (text.split(piece).length !== 2) throw new Error(`Not there exactly once: ${piece}`);
    return text.replace(piece, () => added + piece);
  };
}

function each(...changes: Change[]): Change {
  return (text) => changes.reduce((changed, change) => change(changed), text);
}

const atEnd =
  (added: string): Change =>
  (text) =>
    text + added;

const unless = (holds: boolean | undefined, problem: string): string[] => (holds ? [] : [problem]);

const tool: Recipe = {
  row: 'a tool',
  sample: /sample-?tool/i,
  edits: {
    'activities/tools/sample-tool.ts': `import { z } from 'zod';
import { done } from './answer.ts';
import { defineTool } from './tool.ts';

export const sampleTool = defineTool({
  name: 'sample-tool',
  description: 'Says hello.',
  input: z.strictObject({}),
  effect: 'read',
  repeat: 'safe',
  subject: () => 'hello',
  subjectKind: 'run',
  timeoutSeconds: () => 10,
  run: async () => done('hello'),
});
`,
    'activities/tools/index.ts': each(
      before("import { write } from './write.ts';", "import { sampleTool } from './sample-tool.ts';\n"),
      before('    askPerson,\n', '    sampleTool,\n'),
    ),
  },
  missing: (read) =>
    unless(read('activities/tools/index.ts')?.includes('sample-tool.ts'), 'sample-tool.ts is not listed'),
};

const provider: Recipe = {
  row: 'a model provider',
  sample: /sample-?provider/i,
  edits: {
    'activities/llm/sample-provider.ts': `import type { Llm } from './llm.ts';

export function createSampleProvider(): Llm {
  return {
    provider: 'sample',
    models: ['one'],
    scripted: false,
    missing: 'SAMPLE_PROVIDER_API_KEY',
    stream: () => {
      throw new Error('It is not there.');
    },
  };
}
`,
    'activities/llm/index.ts': each(
      before(
        'import { createScriptedLlm }',
        "import { createSampleProvider } from './sample-provider.ts';\n",
      ),
      before('    createAnthropicLlm(of(', '    createSampleProvider(),\n'),
    ),
  },
  missing: (read) =>
    unless(
      read('activities/llm/index.ts')?.includes('sample-provider.ts'),
      'sample-provider.ts is not listed',
    ),
};

const endpoint: Recipe = {
  row: 'an endpoint',
  sample: /SampleShape/,
  edits: {
    'workflows/contracts/system.ts': atEnd(
      "\nexport const SampleShape = z.object({ hello: z.string() }).meta({ id: 'SampleShape' });\n",
    ),
    'api/routes/models.ts': each(
      before(
        'import { ModelListView }',
        "import { SampleShape } from '../../workflows/contracts/system.ts';\n",
      ),
      before(
        '  api.get(\n',
        `  api.get(
    '/sample',
    {
      config: { example: { answer: { hello: 'you' } } },
      schema: {
        tags: ['system'],
        operationId: 'getSample',
        summary: 'Hello',
        response: { 200: SampleShape, ...problems },
      },
    },
    async () => ({ hello: 'you' }),
  );
`,
      ),
    ),
  },
  missing: (read) =>
    unless(read('api/routes/models.ts')?.includes('SampleShape'), 'no route answers with SampleShape'),
};

const event: Recipe = {
  row: 'an event',
  sample: /sample-told/,
  edits: {
    'workflows/contracts/event.ts': before(
      "  'dead-letter': z.object({",
      "  'sample-told': z.object({ what: z.string() }),\n",
    ),
    'api/cli/terminal/renderer.ts': each(
      before(" | 'dead-letter' | 'stall'", " | 'sample-told'"),
      before("        case 'dead-letter':\n        case 'stall':", "        case 'sample-told':\n"),
      before(
        "    case 'dead-letter':\n      return warn(",
        "    case 'sample-told':\n      return note(short(event.payload.what));\n",
      ),
    ),
    'test/api/cli/terminal/renderer.test.ts': before(
      "  'dead-letter': [\n",
      "  'sample-told': [{ what: 'hello' }, '— hello\\n'],\n",
    ),
  },
};

const activity: Recipe = {
  row: 'an activity',
  sample: /sample-?work/i,
  edits: {
    'workflows/contracts/activities.ts': before(
      '  finishRun(input: FinishRunInput)',
      '  sampleWork(input: RunRef): Promise<void>;\n',
    ),
    'workflows/contracts/activity-table.ts': before(
      '  callModel: {\n',
      `  sampleWork: {
    queue: taskQueues.wf,
    startToClose: '5 seconds',
    cancellation: 'try',
    retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '5 seconds' },
    reason: 'One line in a log.',
  },
`,
    ),
    'activities/sample-work.ts': `import type { RunRef } from '../workflows/contracts/activities.ts';
import type { ActivityDeps } from './deps.ts';

export function createSampleWork(deps: ActivityDeps): (input: RunRef) => Promise<void> {
  return async ({ runId }) => {
    deps.logger.info({ runId }, 'hello');
  };
}
`,
    'activities/index.ts': each(
      before('import { createRunTool }', "import { createSampleWork } from './sample-work.ts';\n"),
      before('    finishRun: closing(', '    sampleWork: createSampleWork(deps),\n'),
    ),
  },
};

const table: Recipe = {
  row: 'a table',
  sample: /sample_rows/,
  edits: {
    'activities/store/db/migrations/0099-sample-rows.ts': `import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw('create table sample_rows (id uuid primary key)').execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw('drop table sample_rows').execute(db);
}
`,
    'activities/store/db/tables.ts': each(
      before('export interface DB {', 'export interface SampleRows {\n  id: string;\n}\n\n'),
      before('  stream_heads: StreamHeads;\n', '  sample_rows: SampleRows;\n'),
    ),
    'activities/store/runs/sample-rows.ts': `import type { Kysely } from 'kysely';
import type { DB } from '../db/tables.ts';

export async function addSample(db: Kysely<DB>, id: string): Promise<void> {
  await db.insertInto('sample_rows').values({ id }).execute();
}
`,
  },
  missing: (read) => [
    ...unless(
      read('activities/store/db/migrations/0099-sample-rows.ts') !== undefined,
      'no migration makes sample_rows',
    ),
    ...unless(
      read('activities/store/runs/sample-rows.ts') !== undefined,
      'no file of the store uses sample_rows',
    ),
  ],
};

const setting: Recipe = {
  row: 'a setting',
  sample: /PERDURE_SAMPLE_SETTING/,
  edits: {
    'worker/config/settings.ts': before(
      '  temporalNamespace: z\n',
      "  sampleSetting: z.string().optional().meta(note('Says hello.')),\n",
    ),
    '.env.example': atEnd('\n# Says hello.\n# PERDURE_SAMPLE_SETTING=\n'),
  },
  missing: (read) => {
    const [isSet, isExplained] = [
      read('worker/config/settings.ts')?.includes('sampleSetting:'),
      read('.env.example')?.includes('PERDURE_SAMPLE_SETTING='),
    ];
    return unless(isSet === isExplained, 'PERDURE_SAMPLE_SETTING is in one of the two lists only');
  },
};

const command: Recipe = {
  row: 'a CLI command',
  sample: /sample-?command/i,
  edits: {
    'api/cli/commands/sample-command.ts': `import { Command } from 'commander';
import type { Cli } from '../surroundings.ts';

export function sampleCommand(cli: Cli): Command {
  return new Command('sample').description('say hello').action(() => cli.output.line('hello'));
}
`,
    'api/cli/program.ts': each(
      before('import { usageCommand }', "import { sampleCommand } from './commands/sample-command.ts';\n"),
      before('  demoCommand,\n', '    sampleCommand,\n'),
    ),
  },
  missing: (read) =>
    unless(read('api/cli/program.ts')?.includes('sample-command.ts'), 'sample-command.ts is not listed'),
};

export const recipes: readonly Recipe[] = [
  tool,
  provider,
  endpoint,
  event,
  activity,
  table,
  setting,
  command,
];

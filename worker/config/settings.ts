// Every setting once: its type, its default, the reason it exists, its name in the environment. Reads nothing.
import { z } from 'zod';
import { usualRetention } from '../../activities/store/retention/retention-table.ts';
import { nameProblem } from '../../workflows/contracts/command-variables.ts';
import { namesIn, usualNames } from './command-environment.ts';
import {
  address,
  byModel,
  days,
  file,
  key,
  modelSeconds,
  note,
  port,
  price,
  type SettingNotes,
} from './setting-kinds.ts';
import { contextSettings } from './context-settings.ts';
import { s3Settings } from './s3-settings.ts';
import { networkSettings, sandboxSettings } from './sandbox-settings.ts';
import { workerSettings } from './worker-settings.ts';

export const Settings = z.strictObject({
  dataFolder: z
    .string()
    .min(1)
    .default('.perdure')
    .meta(note('Everything that must survive lives here.', { variable: 'PERDURE_DATA', folder: true })),
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .meta(note('The address the API listens on; anything but loopback lets other machines in.')),
  port: port().default(7700).meta(note('The API and the page.')),
  hostNames: z
    .string()
    .regex(/^[a-z0-9.-]+(,[a-z0-9.-]+)*$/, 'must look like perdure.example.com,api')
    .optional()
    .meta(
      note(
        'More names under which the API is reached, such as that of a proxy in front of it; it answers to addresses, localhost, its own host and these.',
      ),
    ),
  temporalPort: port()
    .default(7701)
    .meta(note('The embedded Temporal server; it has no login, so any process of this machine may use it.')),
  temporalUi: z
    .enum(['on', 'off'])
    .default('on')
    .meta(note("Temporal's Web UI at /temporal, behind the API's login; off starts and shows none.")),
  titles: z
    .enum(['on', 'off'])
    .default('on')
    .meta(
      note(
        'Has the model of a conversation make its title out of the first message and answer, for some hundred tokens; off leaves the beginning of the message.',
      ),
    ),
  postgresPort: port().default(7703).meta(note('The embedded Postgres.')),
  databaseUrl: z
    .url({ protocol: /^postgres(ql)?$/ })
    .optional()
    .meta(
      note('Uses a Postgres that already runs and starts none.', { variable: 'DATABASE_URL', secret: true }),
    ),
  temporalAddress: z
    .string()
    .regex(/^[^\s:/]+:\d+$/, 'must look like host:port')
    .optional()
    .meta(
      note('Uses a Temporal server that already runs and starts none.', { variable: 'TEMPORAL_ADDRESS' }),
    ),
  temporalNamespace: z
    .string()
    .min(1)
    .default('perdure')
    .meta(note('Keeps our workflows apart on a server of many.')),
  schedulesFile: file(
    'A manifest of schedules, in YAML: read again every five minutes and with `perdure schedule sync`.',
  ),
  // Postgres takes its write-ahead log in pieces of 16 MiB, and its checkpoints and Temporal's file a few times that;
  // fifty calls at work that each store a large result are 100 MB. The rest is time for a person.
  minFreeBytes: z
    .int()
    .min(0)
    .max(1_099_511_627_776)
    .default(268_435_456)
    .meta(
      note(
        'With less free on a disk of the data folder no new work is accepted, so that what runs has room to finish.',
      ),
    ),
  temporalUiUpstream: address().meta(
    note(
      'Where the API alone reaches the Web UI of that server, to show it at /temporal; it needs the public path /temporal.',
    ),
  ),
  temporalUiLink: address().meta(
    note('The Web UI of that server, where it has a login of its own; only linked.'),
  ),
  temporalTls: z
    .enum(['on', 'off'])
    .default('off')
    .meta(note('Speaks TLS with that server; the settings below put it on by themselves.')),
  temporalTlsCaFile: file("The certificates that sign that server's, when the system does not know them."),
  temporalTlsCertFile: file('What we show that server, when it asks clients for a certificate.'),
  temporalTlsKeyFile: file('The private key of that certificate.'),
  temporalTlsServerName: z
    .string()
    .min(1)
    .optional()
    .meta(note("The name in that server's certificate, when it is not the one of its address.")),
  temporalApiKey: key().meta(note('Sent to that server with each request.', { secret: true })),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .meta(note('Debug tells every step and is for looking at one run.')),
  // 1 MiB holds a prompt of 250,000 tokens; what is larger is a file and belongs into the project.
  bodyLimitBytes: z
    .int()
    .min(1_024)
    .max(64 * 1_048_576)
    .default(1_048_576)
    .meta(note('The largest request body the API reads.')),
  defaultModel: z
    .string()
    .regex(/^[a-z]+\/\S+$/, 'must look like provider/model')
    .optional()
    .meta(note('Answers where a run names none, such as openai/gpt-5.2.')),
  openaiApiKey: key().meta(
    note('Makes the OpenAI models answer.', { variable: 'OPENAI_API_KEY', secret: true }),
  ),
  openaiBaseUrl: address().meta(note('Sends OpenAI calls through a proxy.')),
  anthropicApiKey: key().meta(
    note('Makes the Anthropic models answer.', { variable: 'ANTHROPIC_API_KEY', secret: true }),
  ),
  anthropicBaseUrl: address().meta(note('Sends Anthropic calls through a proxy.')),
  googleApiKey: key().meta(
    note('Makes the Google models answer.', { variable: 'GOOGLE_GENERATIVE_AI_API_KEY', secret: true }),
  ),
  googleBaseUrl: address().meta(note('Sends Google calls through a proxy.')),
  compatibleBaseUrl: address().meta(
    note('Any server that speaks the OpenAI chat format; its models are compatible/<name>.'),
  ),
  compatibleReadsText: z
    .enum(['on', 'off'])
    .default('on')
    .meta(
      note(
        'Thoughts and tool calls that the server leaves as tags in the text of an answer are read as what they are; off leaves them text.',
      ),
    ),
  compatibleApiKey: key().meta(note('The key of that server, when it wants one.', { secret: true })),
  modelKeys: z
    .record(z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/), z.string().min(1))
    .default({})
    .meta(
      note(
        'Keys by a name of your own, for models that PUT /model-configs (perdure models set --key) gives one; JSON in the environment.',
        { secret: true, example: '{"team-a": "sk-…"}' },
      ),
    ),
  ...contextSettings,
  scenarios: z
    .string()
    .min(1)
    .optional()
    .meta(note('A folder of your own scripted models, scripted/<file name>.', { folder: true })),
  unknownPriceMicrosPerMillion: z
    .strictObject({
      // Above any current price: an unknown price must never be a cheap one.
      input: z
        .int()
        .positive()
        .default(20_000_000)
        .meta(note('Charged for a million input tokens of a model whose price is unknown.')),
      output: z
        .int()
        .positive()
        .default(100_000_000)
        .meta(note('Charged for a million output tokens of a model whose price is unknown.')),
    })
    .prefault({}),
  prices: byModel(price)
    .default({})
    .meta(
      note(
        'Your own prices in dollars for a million tokens, by provider/model or provider/*; a server on a loopback or private address costs nothing without one; JSON in the environment.',
        { example: '{"openai/my-model": {"dollars": {"input": 1, "output": 4}}}' },
      ),
    ),
  commandVariables: z
    .string()
    .default(usualNames.join(','))
    .superRefine((list, context) => {
      for (const name of namesIn(list)) {
        const problem = nameProblem(name);
        if (problem !== undefined) context.addIssue(`${name === '' ? 'an empty name' : name} ${problem}`);
      }
    })
    .meta(
      note(
        'Variables of your environment that commands of agents get, as NAME,LC_*; +NAME adds to the usual ones. Names and values that look like secrets are refused, and logins in addresses taken out.',
      ),
    ),
  modelSeconds: z
    .record(
      z.string().regex(/^(\*|[a-z]+\/\S+)$/, 'must look like provider/model, provider/* or *'),
      modelSeconds,
    )
    .default({})
    .meta(
      note(
        'How long a model may be silent: first (before an answer, 600), between (its parts, 180), call (in a tool call, ' +
          '600); total: all waiting of one call (1500). Seconds by provider/model, provider/* or *; JSON in the environment.',
      ),
    ),
  ...workerSettings,
  s3: s3Settings,
  sandbox: sandboxSettings,
  networks: networkSettings,
  workflowSlots: z.int().min(2).max(200).default(8).meta(note('Workflow tasks at once in one worker.')),
  retention: z
    .strictObject({
      runsDays: days(usualRetention.runsDays).meta(
        note('How long finished runs and tasks are kept with all that is theirs; 0 for ever.'),
      ),
      eventsDays: days(usualRetention.eventsDays).meta(
        note('After how long the pieces in streams of finished runs are folded to whole messages; 0 never.'),
      ),
      outputsDays: days(usualRetention.outputsDays).meta(
        note('How long the whole of a cut output is kept after its run; 0 for ever.'),
      ),
      // A century of months.
      ledgerMonths: z
        .int()
        .min(0)
        .max(1200)
        .default(usualRetention.ledgerMonths)
        .meta(note('How many whole months of the ledger are kept as entries before they are summed; 0 all.')),
      deadLettersDays: days(usualRetention.deadLettersDays).meta(
        note('How long dead letters are kept that were retried or dropped; 0 for ever.'),
      ),
    })
    .prefault({}),
  approvalSeconds: z
    .int()
    .min(2)
    .max(31_536_000)
    .default(86_400)
    .meta(
      note(
        'How long people have to answer what a run asks them; after half of it they are reminded, then it is denied.',
      ),
    ),
  drainSeconds: z
    .int()
    .min(0)
    .max(3_600)
    .default(10)
    .meta(note('How long a process that is told to stop finishes what it is doing.')),
});
export type Settings = z.output<typeof Settings>;

export interface Setting {
  path: string[];
  /** The name in the YAML file: the path joined by dots. */
  name: string;
  variable: string;
  flag: string;
  schema: z.ZodType;
  notes: SettingNotes;
  /** A switch is on or off. */
  form: 'text' | 'number' | 'json' | 'switch';
}

function innermost(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
    return innermost(schema.unwrap() as z.ZodType);
  }
  return schema;
}

function formOf(schema: z.ZodType): Setting['form'] {
  const inner = innermost(schema);
  if (inner instanceof z.ZodNumber) return 'number';
  if (inner instanceof z.ZodEnum && inner.options.join() === 'on,off') return 'switch';
  return inner instanceof z.ZodRecord ? 'json' : 'text';
}

function toSetting(path: string[], schema: z.ZodType): Setting {
  const notes = schema.meta() as unknown as SettingNotes;
  const words = path.join('_').replace(/[A-Z]/g, (letter) => `_${letter}`);
  const variable = notes.variable ?? `PERDURE_${words.toUpperCase()}`;
  const flag = `--${variable
    .replace(/^PERDURE_/, '')
    .toLowerCase()
    .replaceAll('_', '-')}`;
  return { path, name: path.join('.'), variable, flag, schema, notes, form: formOf(schema) };
}

function leaves(schema: z.ZodObject, above: string[]): Setting[] {
  return Object.entries(schema.shape).flatMap(([name, child]) => {
    const inner = innermost(child as z.ZodType);
    const path = [...above, name];
    return inner instanceof z.ZodObject ? leaves(inner, path) : [toSetting(path, child as z.ZodType)];
  });
}

export const settings: readonly Setting[] = leaves(Settings, []);
